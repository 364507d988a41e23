import Kernels
package import Tokenization

extension Sampler {
  /// How probable a token is in the model's own distribution, and the most probable ones.
  ///
  /// The distribution is softmax over the tokens that can be drawn. Costs about as much as a draw.
  package func logProbabilities(
    of token: TokenID, top count: Int, _ logits: Span<Float>,
    workspace: inout SamplerWorkspace
  ) -> TokenLogProbabilities {
    workspace.copy(logits, of: tokens)
    guard workspace.findPeak() != nil else {
      return TokenLogProbabilities(
        chosen: .init(token: token, logProbability: -.infinity), top: [])
    }
    let share = Double(workspace.totalWeight()) / Double(LogitKernels.unit)
    let base = Double(workspace.peak) + naturalLogarithm(share)
    func entry(_ id: TokenID, _ logit: Float) -> TokenLogProbabilities.Entry {
      TokenLogProbabilities.Entry(
        token: id, logProbability: Float(min(Double(logit) - base, 0)))
    }
    let chosen = entry(token, workspace.logits[Int(token)])
    var top: [TokenLogProbabilities.Entry] = []
    if count > 0 {
      workspace.keepTop(count)
      workspace.forEachInPlay { top.append(entry($0.id, $0.logit)) }
    }
    return TokenLogProbabilities(chosen: chosen, top: top)
  }
}

/// The natural logarithm of a finite `x` > 0, the same bits on every machine.
///
/// For the same reason as `exponential`. Relative error below 1e-15 away from 1, absolute near it.
/// - Source: log m = 2 · artanh((m - 1) / (m + 1)), by its series, for m from √½ to √2.
package func naturalLogarithm(_ x: Double) -> Double {
  var exponent = Double(x.exponent)
  var mantissa = x.significand
  if mantissa > 2.0.squareRoot() {
    mantissa *= 0.5
    exponent += 1
  }
  let ratio = (mantissa - 1) / (mantissa + 1)
  let square = ratio * ratio
  var sum = 0.0
  for odd in stride(from: 23.0, through: 3, by: -2) { sum = (sum + 1 / odd) * square }
  let series = 2 * ratio + 2 * ratio * sum
  return exponent * 0x1.62e42feep-1 + (exponent * 0x1.a39ef35793c76p-33 + series)
}
