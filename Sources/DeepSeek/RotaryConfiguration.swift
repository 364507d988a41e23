import Foundation

/// Which two elements of a head are rotated together.
public enum RotaryPairing: Sendable, Equatable {
  /// Elements 2j and 2j + 1: latent attention everywhere, and dense models in GGUF.
  case interleaved
  /// Elements j and j + half: dense models in Hugging Face folders.
  case halfSplit
}

/// How rotary angles follow from positions.
public struct RotaryConfiguration: Sendable, Equatable {
  /// Changes to the plain angles for contexts longer than the model was first trained on.
  public enum Scaling: Sendable, Equatable {
    case none
    /// Positions are divided by `factor`.
    case linear(factor: Double)
    /// Slow pairs are stretched, fast ones kept.
    case yarn(YarnScaling)
  }

  /// Angles of pair j shrink with base^(-2j / size).
  public let base: Double
  /// Changes for long contexts.
  public let scaling: Scaling

  /// Creates a configuration.
  public init(base: Double, scaling: Scaling) {
    self.base = base
    self.scaling = scaling
  }

  /// Radians per position of each pair of a rotated head part of `size` elements.
  public func frequencies(size: Int) -> [Double] {
    let plain = (0..<size / 2).map { pair in pow(base, -2 * Double(pair) / Double(size)) }
    switch scaling {
    case .none: return plain
    case .linear(let factor): return plain.map { $0 / factor }
    case .yarn(let yarn):
      let ramp = yarn.ramp(base: base, size: size)
      return plain.enumerated().map { pair, frequency in
        let share = ramp.share(pair)
        return frequency * ((1 - share) + share / yarn.factor)
      }
    }
  }

  /// Factor on all cosines and sines; 1 for every published DeepSeek model.
  public var amplitude: Double {
    guard case .yarn(let yarn) = scaling else { return 1 }
    return yarn.amplitude
  }

  /// Factor on the scores of latent attention, on top of 1 / sqrt(query head size).
  public var scoreFactor: Double {
    guard case .yarn(let yarn) = scaling, let all = yarn.mscaleAllDim, all != 0 else { return 1 }
    let mscale = yarn.mscale(all)
    return mscale * mscale
  }
}

/// YaRN context extension (arXiv:2309.00071) as the DeepSeek models use it, at all positions.
public struct YarnScaling: Sendable, Equatable {
  /// How many times longer the context became.
  public var factor: Double
  /// The context before extension, in positions.
  public var originalContext: Double
  /// Pairs that turn more often than this in the original context are kept.
  public var betaFast: Double = 32
  /// Pairs that turn less often than this are stretched fully.
  public var betaSlow: Double = 1
  /// `mscale` of the model's settings.
  public var mscale: Double?
  /// `mscale_all_dim` of the model's settings.
  public var mscaleAllDim: Double?
  /// An explicit amplitude of cosines and sines, which then overrides the two above.
  public var attentionFactor: Double?

  /// A scaling with the customary betas and no mscale settings.
  public init(factor: Double, originalContext: Double) {
    self.factor = factor
    self.originalContext = originalContext
  }

  /// 0.1 · x · ln(factor) + 1, or 1 without extension.
  public func mscale(_ x: Double) -> Double {
    factor <= 1 ? 1 : 0.1 * x * log(factor) + 1
  }

  /// Factor on cosines and sines.
  public var amplitude: Double {
    if let attentionFactor { return attentionFactor }
    guard let mscale, let mscaleAllDim, mscale != 0, mscaleAllDim != 0 else {
      return self.mscale(1)
    }
    return self.mscale(mscale) / self.mscale(mscaleAllDim)
  }

  /// The pairs between which stretching sets in.
  public struct Ramp: Sendable, Equatable {
    /// The last pair that is kept.
    public let low: Double
    /// The first pair that is stretched fully.
    public let high: Double

    /// A ramp between two pairs.
    public init(low: Double, high: Double) {
      self.low = low
      self.high = high
    }

    /// How far `pair` is stretched, 0 to 1.
    public func share(_ pair: Int) -> Double {
      min(max((Double(pair) - low) / (high - low), 0), 1)
    }
  }

  /// The ramp for a rotated head part of `size` elements.
  public func ramp(base: Double, size: Int) -> Ramp {
    func pair(turns: Double) -> Double {
      Double(size) * log(originalContext / (turns * 2 * .pi)) / (2 * log(base))
    }
    let low = max(pair(turns: betaFast).rounded(.down), 0)
    let high = min(pair(turns: betaSlow).rounded(.up), Double(size - 1))
    return Ramp(low: low, high: low == high ? high + 0.001 : high)
  }
}
