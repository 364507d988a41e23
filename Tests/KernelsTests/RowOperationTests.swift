import Foundation
import Kernels
import Tensors
import Testing

private let lengths = [1, 2, 5, 15, 16, 17, 31, 33, 64, 100, 257]
private let others = KernelVariant.available.filter { $0 != .scalar }
private let scalar = Kernels(variant: .scalar, team: ThreadTeam(threads: 1))

@Suite struct RowOperationTests {
  @Test func theGeneratorIsSplitMix64() {
    var random = SeededGenerator(seed: 1_234_567)
    #expect(random.next() == 6_457_827_717_110_365_317)
    #expect(random.next() == 3_203_168_211_198_807_973)
  }

  @Test(arguments: others)
  func everyVariantGivesTheBitsOfTheScalarOne(_ variant: KernelVariant) {
    let kernels = Kernels(variant: variant, team: ThreadTeam(threads: 1))
    for length in lengths {
      let ours = results(of: kernels, length: length)
      let expected = results(of: scalar, length: length)
      for (name, bits) in expected { #expect(ours[name] == bits, "\(name) of \(length)") }
    }
  }

  /// Bits of every row operation on the same random input.
  private func results(of kernels: Kernels, length: Int) -> [String: [UInt32]] {
    var random = SeededGenerator(seed: UInt64(length))
    let a = random.matrix(rows: 3, columns: length, in: -20...20)
    let b = random.matrix(rows: 3, columns: length, in: -2...2)
    let weight = random.floats(length)
    var results: [String: [UInt32]] = [:]
    var out = FloatMatrix(rows: 3, columns: length) { a.row($0)[$1] }
    kernels.siluMultiply(&out, up: b, rows: 0..<3)
    results["silu"] = out.bits
    kernels.rmsNorm(a, rows: 0..<3, weight: weight.span, epsilon: 1e-6, into: &out)
    results["rmsNorm"] = out.bits
    kernels.softmax(&out, rows: 0..<2)
    results["softmax"] = out.bits
    kernels.sigmoid(&out, rows: 1..<3)
    results["sigmoid"] = out.bits
    kernels.add(a, to: &out, rows: 0..<3)
    kernels.addScaled(b, by: 0.3, to: &out, rows: 1..<2)
    results["add"] = out.bits
    results["dot"] = [kernels.dot(a.row(0), b.row(1)).bitPattern]
    results["argmax"] = [UInt32(kernels.argmax(a.row(2)))]
    let entries: [Int32] = [2, 0, 1, 1]
    let offsets: [Int32] = [0, 1, 1, 4]
    kernels.weightedSums(
      of: a, entries: entries.span, weights: [0.1, -2, 3, 0.7].span, offsets: offsets.span,
      into: &out)
    results["weightedSums"] = out.bits
    for format in [ReplyFormat.float32, .int16Blocks] {
      var replies = EncodedReplies(format: format, capacity: 3, columns: length)
      replies.encode(a, rows: 0..<3, with: kernels)
      results["reply \(format)"] = replies.wireBytes(0..<3).words
      kernels.sumReplies(replies, entries: entries.span, offsets: offsets.span, into: &out)
      results["sumReplies \(format)"] = out.bits
    }
    let padded = (length + 31) / 32 * 32
    let wide = random.matrix(rows: 3, columns: padded, in: -5...5)
    var encoded = EncodedRows(format: .int8Blocks, capacity: 3, columns: padded)
    encoded.encode(wide, rows: 0..<3, with: kernels)
    results["encode"] = encoded.wireBytes(0..<3).words
    var turned = FloatMatrix(rows: 3, columns: 2 * length) { a.row($0)[$1 / 2] }
    for pairs in [RotaryPairs.interleaved, .halfSplit] {
      let positions: [Int32] = [2, 0]
      kernels.rotate(
        &turned, rows: 1..<3, width: 2 * length, positions: positions.span, cosines: a, sines: b,
        pairs: pairs)
      results["rotate \(pairs)"] = turned.bits
    }
    return results
  }

  @Test func theExponentialIsAccurate() {
    let worst = stride(from: Float(-87.3), through: 88.7, by: 0.000731).reduce(0.0) { worst, x in
      let exact = exp(Double(x))
      let ulp = Double(Float(exact).ulp)
      return max(worst, abs(Double(exponential(x)) - exact) / ulp)
    }
    #expect(worst < 1.1, "\(worst) units in the last place")
    #expect(exponential(0) == 1 && exponential(-0.0) == 1)
    #expect(exponential(-88) == 0 && exponential(-.infinity) == 0)
    #expect(exponential(88.8) == .infinity && exponential(.infinity) == .infinity)
    #expect(exponential(.nan).isNaN)
  }

  @Test func normsAndSoftmaxAreCloseToDoublePrecision() {
    var random = SeededGenerator(seed: 8)
    for length in lengths {
      let x = random.matrix(rows: 1, columns: length, in: -4...4)
      let values = (0..<length).map { Double(x.row(0)[$0]) }
      let weight = [Float](repeating: 0.5, count: length)
      var out = FloatMatrix(rows: 1, columns: length)
      scalar.rmsNorm(x, rows: 0..<1, weight: weight.span, epsilon: 1e-5, into: &out)
      let mean = values.reduce(0) { $0 + $1 * $1 } / Double(length)
      // Sixteen chains of length / 16 additions, all positive, and a handful of other roundings.
      let bound = Double(length / 16 + 10) * 0x1p-23
      for index in 0..<length {
        let exact = values[index] / (mean + 1e-5).squareRoot() * 0.5
        #expect(abs(Double(out.row(0)[index]) - exact) <= bound * abs(exact))
      }
      var probabilities = FloatMatrix(rows: 1, columns: length) { x.row($0)[$1] }
      scalar.softmax(&probabilities, rows: 0..<1)
      let total = values.reduce(0) { $0 + exp($1) }
      for index in 0..<length {
        let exact = exp(values[index]) / total
        #expect(abs(Double(probabilities.row(0)[index]) - exact) <= 3 * bound * exact)
      }
    }
  }

  @Test func theLowestOfEqualMaximaIsFound() {
    for variant in KernelVariant.available {
      let kernels = Kernels(variant: variant, team: ThreadTeam(threads: 1))
      var x = [Float](repeating: -1, count: 77)
      #expect(kernels.argmax(x.span) == 0)
      x[70] = 3
      x[76] = 3
      #expect(kernels.argmax(x.span) == 70)
      x[5] = 3
      #expect(kernels.argmax(x.span) == 5)
      x[2] = .nan
      #expect(kernels.argmax(x.span) == 5)
    }
  }

  @Test func rotationTurnsPairs() {
    let cosines = FloatMatrix(rows: 2, columns: 2) { row, _ in row == 0 ? 1 : 0 }
    let sines = FloatMatrix(rows: 2, columns: 2) { row, _ in row == 0 ? 0 : 1 }
    for (pairs, expected) in [
      (RotaryPairs.interleaved, [9, -2, 1, -4, 3, 9] as [Float]),
      (.halfSplit, [9, -3, -4, 1, 2, 9]),
    ] {
      var x = FloatMatrix(rows: 1, columns: 6) { _, column in [9, 1, 2, 3, 4, 9][column] }
      let positions: [Int32] = [1]
      scalar.rotate(
        &x, rows: 0..<1, columnOffset: 1, width: 4, positions: positions.span, cosines: cosines,
        sines: sines, pairs: pairs)
      #expect(x.bits == expected.map(\.bitPattern))
    }
  }

  private func exponential(_ x: Float) -> Float {
    var values = [x]
    var span = values.mutableSpan
    scalar.exponential(&span)
    return values[0]
  }
}

extension RawSpan {
  /// The bytes, for comparison.
  var words: [UInt32] {
    (0..<byteCount).map { index in
      UInt32(unsafe unsafeLoad(fromByteOffset: index, as: UInt8.self))
    }
  }
}
