import Kernels
import Tensors
import Testing

/// Machines of one cluster must compute the same bits, and so must the next release unless it says
/// otherwise: these sums change only together with `Kernels.numericsProfile`.
@Suite struct NumericsProfileTests {
  @Test(arguments: KernelVariant.available)
  func theProfileStandsForTheseBits(_ variant: KernelVariant) throws {
    #expect(Kernels.numericsProfile == "q8b32-i16/1")
    let kernels = Kernels(variant: variant, team: ThreadTeam(threads: 1))
    let products = try products(kernels)
    #expect(products == 14_775_841_670_904_469_354)
    #expect(rows(kernels) == 8_001_225_197_255_622_902)
    #expect(attention(kernels) == 13_134_381_025_726_860_912)
  }

  /// Three activation rows times a matrix of every format.
  private func products(_ kernels: Kernels) throws -> UInt64 {
    var random = SeededGenerator(seed: 100)
    var hash = Hash()
    for format in ElementFormat.ofWeights {
      let columns = max(2 * format.blockLength, 96)
      let matrix = try PackedMatrix(
        arena: WeightArena(), format: format, rows: 18, columns: columns)
      let raw = random.rawRows(format, rows: 18, columns: columns)
      unsafe matrix.pack(rawRows: raw.span.bytes)
      let x = random.matrix(rows: 3, columns: columns)
      var encoded = EncodedRows(format: matrix.activationFormat, capacity: 3, columns: columns)
      encoded.encode(x, rows: 0..<3, with: kernels)
      var out = FloatMatrix(rows: 3, columns: 18)
      var plan = MatmulPlan()
      plan.append(matrix, encoded, rows: 0..<3, into: &out)
      kernels.run(&plan)
      hash.add(out.bits)
    }
    return hash.value
  }

  /// Norm, gate, softmax, sigmoid, rotation and reply rounding.
  private func rows(_ kernels: Kernels) -> UInt64 {
    var random = SeededGenerator(seed: 101)
    var hash = Hash()
    let x = random.matrix(rows: 2, columns: 70, in: -6...6)
    let weight = random.floats(70)
    var out = FloatMatrix(rows: 2, columns: 70)
    kernels.rmsNorm(x, rows: 0..<2, weight: weight.span, epsilon: 1e-6, into: &out)
    hash.add(out.bits)
    kernels.siluMultiply(&out, up: x, rows: 0..<2)
    hash.add(out.bits)
    kernels.sigmoid(&out, rows: 0..<1)
    kernels.softmax(&out, rows: 1..<2)
    hash.add(out.bits)
    let positions: [Int32] = [1, 0]
    kernels.rotate(
      &out, rows: 0..<2, width: 64, positions: positions.span, cosines: x, sines: x,
      pairs: .interleaved)
    hash.add(out.bits)
    var replies = EncodedReplies(format: .int16Blocks, capacity: 2, columns: 70)
    replies.encode(out, rows: 0..<2, with: kernels)
    hash.add(replies.wireBytes(0..<2).words)
    return hash.value
  }

  /// A row of several tiles and two splits.
  private func attention(_ kernels: Kernels) -> UInt64 {
    var random = SeededGenerator(seed: 102)
    var hash = Hash()
    let queries = random.matrix(rows: 1, columns: 5 * 48)
    let cache = random.matrix(rows: 1100, columns: 48)
    for format in KVFormat.allCases {
      let shape = AttentionShape(
        heads: 5, keyWidth: 48, valueWidth: 32, scale: 0.3, format: format, valuesAreKeys: true)
      let keys = PagedKeys(shape, keys: cache, values: cache, kernels: kernels)
      hash.add(keys.attend(padded(queries, shape), [(0, 1100)], kernels).bits)
      if format == .float32 { #expect(hash.value == 13_039_553_870_886_709_956) }
    }
    return hash.value
  }

  /// Heads of 48 at the stride of a shape.
  private func padded(_ queries: borrowing FloatMatrix, _ shape: AttentionShape) -> FloatMatrix {
    let stride = shape.queryHeadStride
    return FloatMatrix(rows: 1, columns: 5 * stride) {
      $1 % stride < 48 ? queries.row($0)[$1 / stride * 48 + $1 % stride] : 0
    }
  }
}

/// FNV-1a over 32-bit words.
private struct Hash {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ words: [UInt32]) {
    for word in words { value = (value ^ UInt64(word)) &* 0x100_0000_01b3 }
  }
}
