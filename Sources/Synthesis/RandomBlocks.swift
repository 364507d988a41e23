internal import Tensors

/// Fills buffers with random blocks whose decoded values have a wanted spread.
///
/// Codes are random bits; scales come from a small table, so that the speed is that of the
/// generator. Affine formats get the minimum that makes their mean zero, the others get scales
/// of both signs.
package struct RandomBlocks {
  private let format: ElementFormat
  private let values: Spread
  private var random: RandomWords
  /// 64 half-precision scales between 0.75 and 1.25 of the wanted one; negative in the second
  /// half where the format allows.
  private let scales: [UInt16]
  /// For affine formats, what goes with the scale of the same index.
  private let minima: [UInt16]

  package init(_ plan: TensorPlan, seed: UInt64) {
    format = plan.format
    values = plan.values
    random = RandomWords(seed: seed, name: plan.name)
    guard case .centred(let deviation) = plan.values, plan.format.blockLength > 1 else {
      (scales, minima) = ([], [])
      return
    }
    let recipe = Recipe(plan.format)
    // 1.0104 is the root mean square of what the table multiplies with.
    let scale = deviation / recipe.deviation / 1.0104
    let steps = (0..<64).map { scale * (0.75 + 0.5 * Float($0 % 32) / 31) }
    let signed = steps.enumerated().map {
      recipe.minimum == nil && $0.offset >= 32 ? -$0.element : $0.element
    }
    scales = signed.map { Float16($0).bitPattern }
    minima =
      recipe.minimum.map { minimum in
        steps.map { Float16($0 * minimum).bitPattern }
      } ?? []
  }

  /// Fills the first `count` bytes, which are whole blocks.
  package mutating func fill(_ buffer: inout [UInt8], count: Int) {
    precondition(count <= buffer.count && count % format.blockByteCount == 0)
    var span = buffer.mutableSpan
    var bytes = unsafe span.mutableBytes
    switch format {
    case .f32: fillFloats(&bytes, count)
    case .f16: fillHalves(&bytes, count) { Float16($0).bitPattern }
    case .bf16: fillHalves(&bytes, count) { UInt16($0.bitPattern >> 16) }
    default: fillBlocks(&bytes, count)
    }
  }

  // MARK: Floats

  /// A value of the spread for 16 random bits.
  private func value(_ bits: UInt16) -> Float {
    let unit = (Float(bits) + 0.5) / 65536
    return switch values {
    case .centred(let deviation): (unit - 0.5) * deviation * Float(12).squareRoot()
    case .between(let low, let high): low + unit * (high - low)
    }
  }

  private mutating func fillFloats(_ bytes: inout MutableRawSpan, _ count: Int) {
    for offset in stride(from: 0, to: count, by: 4) {
      let bits = UInt16(truncatingIfNeeded: random.next() >> 48)
      bytes.storeBytes(of: value(bits).bitPattern, toByteOffset: offset, as: UInt32.self)
    }
  }

  private mutating func fillHalves(
    _ bytes: inout MutableRawSpan, _ count: Int, _ encode: (Float) -> UInt16
  ) {
    let table = (0..<4096).map { encode(value(UInt16($0 * 16))) }
    var word: UInt64 = 0
    for offset in stride(from: 0, to: count, by: 2) {
      word = offset % 8 == 0 ? random.next() : word >> 16
      bytes.storeBytes(of: table[Int(word & 4095)], toByteOffset: offset, as: UInt16.self)
    }
  }

  // MARK: Blocks

  private mutating func fillBlocks(_ bytes: inout MutableRawSpan, _ count: Int) {
    // Odd codes only, so that Q8_0 has neither −128 nor a mean.
    let mask: UInt64 = format == .q8_0 ? 0x0101_0101_0101_0101 : 0
    let whole = count / 8 * 8
    for offset in stride(from: 0, to: whole, by: 8) {
      bytes.storeBytes(of: random.next() | mask, toByteOffset: offset, as: UInt64.self)
    }
    for offset in whole..<count {
      bytes.storeBytes(
        of: UInt8(truncatingIfNeeded: random.next() | mask), toByteOffset: offset, as: UInt8.self)
    }
    for offset in stride(from: 0, to: count, by: format.blockByteCount) {
      setScales(&bytes, at: offset)
    }
  }

  private mutating func setScales(_ bytes: inout MutableRawSpan, at offset: Int) {
    let word = random.next()
    let index = Int(word >> 58)
    let scaleOffset = format == .q6K ? offset + 208 : offset
    bytes.storeBytes(of: scales[index], toByteOffset: scaleOffset, as: UInt16.self)
    if !minima.isEmpty {
      bytes.storeBytes(of: minima[index], toByteOffset: offset + 2, as: UInt16.self)
    }
    switch format {
    case .q4K, .q5K: setSixBitScales(&bytes, at: offset + 4, word)
    case .q6K: setSignedScales(&bytes, at: offset + 192, word)
    default: break
    }
  }

  /// Eight scales of 32 to 63, each with an equal minimum, in the 12 bytes of Q4_K and Q5_K.
  private func setSixBitScales(_ bytes: inout MutableRawSpan, at offset: Int, _ word: UInt64) {
    for place in 0..<4 {
      let low = 32 | UInt8(truncatingIfNeeded: word >> (10 * UInt64(place))) & 31
      let high = 32 | UInt8(truncatingIfNeeded: word >> (10 * UInt64(place) + 5)) & 31
      let packed = low | (high >> 4) << 6
      bytes.storeBytes(of: packed, toByteOffset: offset + place, as: UInt8.self)
      bytes.storeBytes(of: packed, toByteOffset: offset + place + 4, as: UInt8.self)
      bytes.storeBytes(
        of: high & 15 | (high & 15) << 4, toByteOffset: offset + place + 8, as: UInt8.self)
    }
  }

  /// Sixteen scales of magnitude 64 to 95 and either sign, as Q6_K has them.
  private func setSignedScales(_ bytes: inout MutableRawSpan, at offset: Int, _ word: UInt64) {
    for place in 0..<16 {
      let bits = UInt8(truncatingIfNeeded: word >> (3 * UInt64(place)))
      let magnitude = Int8(64 + (bits & 3) * 8)
      let scale = bits & 4 == 0 ? magnitude : -magnitude
      bytes.storeBytes(of: scale, toByteOffset: offset + place, as: Int8.self)
    }
  }
}

/// What random codes of a format amount to when its scale is 1.
private struct Recipe {
  /// Their standard deviation.
  let deviation: Float
  /// For affine formats, the stored minimum that makes the mean zero.
  var minimum: Float?

  init(_ format: ElementFormat) {
    switch format {
    case .q8_0: deviation = 73.9
    case .q4_0: deviation = 4.637
    case .q4_1: (deviation, minimum) = (4.610, -7.5)
    case .q5_0: deviation = 9.247
    case .q5_1: (deviation, minimum) = (9.233, -15.5)
    // 48.38 is the root mean square of the integers 32 to 63.
    case .q4K: (deviation, minimum) = (4.610 * 48.38, 7.5)
    case .q5K: (deviation, minimum) = (9.233 * 48.38, 15.5)
    // 76.53 is the root mean square of 64, 72, 80, 88.
    case .q6K: deviation = 18.48 * 76.53
    case .iq4NL: deviation = 67.44
    case .iq4XS: deviation = 67.44 * 18.48
    default: preconditionFailure("no mix has \(format.name) tensors")
    }
  }
}
