import Experts
import Kernels
import ModelFiles
import Tensors

/// Experts computed the plain way in double precision, with the variance that rounding adds.
///
/// Roundings are taken as independent, so variances add: those of the inputs times squared
/// weights, and the square of the worst float error of a product of that length. Formats that take
/// 8-bit activations round each block of 32 to steps of max|x| / 127, a reply of 16-bit blocks to
/// steps of max|x| / 32767. A correct implementation stays within six deviations.
struct NaiveExperts {
  private let geometry: ExpertGeometry
  private let layer: LayerIndex
  private let experts: [[ExpertProjection: [Double]]]

  private static let epsilon = 1.0 / Double(1 << 23)

  init(_ catalog: ExpertCatalog, _ layer: LayerIndex) throws {
    geometry = catalog.geometry
    self.layer = layer
    let layout = geometry.layout(layer, GroupIndex(0))
    var experts: [[ExpertProjection: [Double]]] = []
    for group in geometry.groups {
      let bytes = try catalog.bytes(layer, group)
      for start in stride(from: 0, to: bytes.count, by: layout.byteCount) {
        experts.append(geometry.decode(Array(bytes[start..<start + layout.byteCount]), layer))
      }
    }
    self.experts = experts
  }

  /// A value per element, and the variance of a correct implementation around it.
  struct Estimate {
    var values: [Double]
    var variances: [Double]

    /// The largest distance of `found` from a value, in deviations.
    func worst(_ found: [Float]) -> Double {
      values.indices.map { index in
        let distance = abs(Double(found[index]) - values[index])
        return distance == 0 ? 0 : distance / variances[index].squareRoot()
      }.max() ?? 0
    }
  }

  /// Deviations that a correct implementation may be off.
  static let limit = 6.0

  /// Σ weight · expert(x), partial sums of each group rounded by the reply format.
  func sum(_ x: [Float], experts chosen: [Int32], weights: [Float]) -> Estimate {
    let zero = [Double](repeating: 0, count: geometry.hiddenSize)
    var total = Estimate(values: zero, variances: zero)
    let input = Estimate(values: x.map(Double.init), variances: zero)
    for group in geometry.groups {
      var partial = Estimate(values: zero, variances: zero)
      for (expert, weight) in zip(chosen, weights)
      where geometry.group(of: ExpertID(Int(expert))) == group {
        let y = apply(experts[Int(expert)], input)
        for index in y.values.indices {
          partial.values[index] += Double(weight) * y.values[index]
          let float = 4 * Self.epsilon * y.values[index]
          partial.variances[index] += Double(weight * weight) * (y.variances[index] + float * float)
        }
      }
      if geometry.replyFormat(layer) == .int16Blocks { partial.round(steps: 32767) }
      for index in total.values.indices {
        total.values[index] += partial.values[index]
        let float = Self.epsilon * total.values[index]
        total.variances[index] += partial.variances[index] + float * float
      }
    }
    return total
  }

  private func apply(_ expert: [ExpertProjection: [Double]], _ x: Estimate) -> Estimate {
    let gate = multiply(expert, .gate, x)
    let up = multiply(expert, .up, x)
    var inner = Estimate(values: [], variances: [])
    for index in gate.values.indices {
      let (g, u) = (gate.values[index], up.values[index])
      let silu = g / (1 + (-g).exponential)
      inner.values.append(silu * u)
      // |silu'| < 1.1; the canonical exponential is within a few units in the last place.
      let (gateVariance, upVariance) = (1.21 * gate.variances[index], up.variances[index])
      let float = 16 * Self.epsilon * silu * u
      inner.variances.append(
        gateVariance * (u * u + upVariance) + silu * silu * upVariance + float * float)
    }
    return multiply(expert, .down, inner)
  }

  private func multiply(
    _ expert: [ExpertProjection: [Double]], _ projection: ExpertProjection, _ x: Estimate
  ) -> Estimate {
    let matrix = expert[projection] ?? []
    var x = x
    if geometry.formats(layer)[projection].activationFormat == .int8Blocks { x.round(steps: 127) }
    let columns = x.values.count
    var result = Estimate(values: [], variances: [])
    for row in 0..<matrix.count / columns {
      var (sum, magnitude, variance) = (0.0, 0.0, 0.0)
      for column in 0..<columns {
        let weight = matrix[row * columns + column]
        sum += weight * x.values[column]
        magnitude += abs(weight * x.values[column])
        variance += weight * weight * x.variances[column]
      }
      let float = Double(columns + 8) * Self.epsilon * magnitude
      result.values.append(sum)
      result.variances.append(variance + float * float)
    }
    return result
  }
}

extension NaiveExperts.Estimate {
  /// Rounds blocks of 32 to ±`steps` codes: an error even between minus and plus half a step,
  /// and a little for the rounding of the scale itself.
  fileprivate mutating func round(steps: Double) {
    for start in stride(from: 0, to: values.count, by: 32) {
      let block = start..<min(start + 32, values.count)
      let error = 0.6 * (block.map { abs(values[$0]) }.max() ?? 0) / steps
      for index in block { variances[index] += error * error / 3 }
    }
  }
}

extension ExpertGeometry {
  /// The matrices of one expert as its stream holds them.
  fileprivate func decode(
    _ bytes: [UInt8], _ layer: LayerIndex
  ) -> [ExpertProjection: [Double]] {
    var result: [ExpertProjection: [Double]] = [:]
    for segment in layout(layer, GroupIndex(0)).segments {
      let raw = Array(bytes[segment.range])
      let columns = shape.columns(of: segment.projection)
      switch segment.part {
      case .weights:
        result[segment.projection] =
          formats(layer)[segment.projection].decoded(raw, count: segment.rowCount * columns)
      case .scales:
        let scales = ElementFormat.f32.decoded(raw, count: raw.count / 4)
        let scaleColumns = (columns + 127) / 128
        for index in 0..<(result[segment.projection]?.count ?? 0) {
          let (row, column) = index.quotientAndRemainder(dividingBy: columns)
          result[segment.projection]?[index] *= scales[row / 128 * scaleColumns + column / 128]
        }
      }
    }
    return result
  }
}

extension ElementFormat {
  fileprivate func decoded(_ raw: [UInt8], count: Int) -> [Double] {
    var floats = [Float](repeating: 0, count: count)
    var span = floats.mutableSpan
    unsafe decode(raw.span.bytes, into: &span)
    return floats.map(Double.init)
  }
}
