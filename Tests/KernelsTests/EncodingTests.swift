import Kernels
import Tensors
import Testing

private let kernels = Kernels(team: ThreadTeam(threads: 2))

@Suite struct EncodingTests {
  @Test func int8CodesAreTheNearestMultiples() {
    var random = SeededGenerator(seed: 9)
    let x = random.matrix(rows: 4, columns: 96, in: -7...7)
    var encoded = EncodedRows(format: .int8Blocks, capacity: 4, columns: 96)
    encoded.encode(x, rows: 0..<4, with: kernels)
    for row in 0..<4 {
      let (codes, scales) = int8(encoded.wireBytes(row..<row + 1), columns: 96)
      for column in 0..<96 {
        let scale = scales[column / 32]
        let value = x.row(row)[column]
        #expect(abs(Float(codes[column]) * scale - value) <= scale * 0.5001 + abs(value) * 0x1p-10)
      }
      for block in 0..<3 {
        #expect((0..<32).contains { abs(codes[32 * block + $0]) == 127 })
      }
    }
  }

  @Test(arguments: [ActivationFormat.float32, .int8Blocks])
  func piecesAreEncodedAsIfTheyWereCopiedFirst(_ format: ActivationFormat) {
    var random = SeededGenerator(seed: 11)
    let x = random.matrix(rows: 5, columns: 300)
    let pieces = RowPieces(column: 7, count: 3, width: 64, stride: 96)
    var copied = FloatMatrix(rows: 6, columns: 200)
    kernels.copyPieces(
      x, rows: 1..<5, pieces, into: &copied, outputRow: 2, outputColumn: 3, outputStride: 64)
    for row in 0..<4 {
      for (piece, column) in [(0, 0), (1, 9), (2, 63)] {
        let expected = x.row(row + 1)[7 + 96 * piece + column]
        #expect(copied.row(row + 2)[3 + 64 * piece + column] == expected)
      }
    }
    var whole = EncodedRows(format: format, capacity: 4, columns: 192)
    whole.encode(copied, rows: 2..<6, columnOffset: 3, with: kernels)
    var apart = EncodedRows(format: format, capacity: 4, columns: 192)
    apart.encode(x, rows: 1..<5, pieces: pieces, with: kernels)
    #expect(apart.wireBytes(0..<4).words == whole.wireBytes(0..<4).words)
  }

  @Test func oddInputsHaveDefinedCodes() {
    let blocks: [[Float]] = [
      [Float](repeating: 0, count: 32),
      [1e-12] + [Float](repeating: 0, count: 31),  // the scale rounds to zero
      [3e30, -3e30, 1] + [Float](repeating: 0, count: 29),  // the scale is clamped
      [.infinity, .nan] + [Float](repeating: 2, count: 30),
      [6e-7, -6e-7, 3e-7] + [Float](repeating: 0, count: 29),  // a subnormal scale
    ]
    for variant in KernelVariant.available {
      let kernels = Kernels(variant: variant, team: ThreadTeam(threads: 1))
      let x = FloatMatrix(rows: 5, columns: 32) { blocks[$0][$1] }
      var encoded = EncodedRows(format: .int8Blocks, capacity: 5, columns: 32)
      encoded.encode(x, rows: 0..<5, with: kernels)
      let rows = (0..<5).map { int8(encoded.wireBytes($0..<$0 + 1), columns: 32) }
      #expect(rows[0].codes.allSatisfy { $0 == 0 } && rows[0].scales == [0])
      #expect(rows[1].codes.allSatisfy { $0 == 0 } && rows[1].scales == [0])
      #expect(rows[2].codes.prefix(3) == [127, -127, 0] && rows[2].scales == [65504])
      #expect(rows[3].codes.prefix(3) == [127, -127, 0] && rows[3].scales == [65504])
      #expect(rows[4].scales == [0] && rows[4].codes.allSatisfy { $0 == 0 })
    }
  }

  @Test func wireBytesRoundTrip() throws {
    var random = SeededGenerator(seed: 10)
    let x = random.matrix(rows: 3, columns: 64)
    for format in [ActivationFormat.float32, .int8Blocks] {
      var sent = EncodedRows(format: format, capacity: 3, columns: 64)
      sent.encode(x, rows: 0..<3, with: kernels)
      #expect(sent.wireBytes(0..<3).byteCount == 3 * format.byteCount(columns: 64))
      var received = EncodedRows(format: format, capacity: 4, columns: 64)
      try received.setWireBytes(sent.wireBytes(1..<3))
      #expect(received.rowCount == 2)
      try received.setWireBytes(sent.wireBytes(0..<1), at: 2)
      #expect(received.rowCount == 3)
      #expect(received.wireBytes(0..<2).words == sent.wireBytes(1..<3).words)
      let raw = random.rawRows(format == .float32 ? .f32 : .q8_0, rows: 20, columns: 64)
      let matrix = try PackedMatrix(
        arena: WeightArena(), format: format == .float32 ? .f32 : .q8_0, rows: 20, columns: 64)
      unsafe matrix.pack(rawRows: raw.span.bytes)
      var out = FloatMatrix(rows: 2, columns: 20)
      var plan = MatmulPlan()
      plan.append(matrix, sent, rows: 0..<1, into: &out)
      plan.append(matrix, received, rows: 2..<3, into: &out, outputRow: 1)
      kernels.run(&plan)
      #expect(out.row(0).bits == out.row(1).bits)
    }
  }

  @Test func bytesOfTheWrongLengthOrKindAreRefused() {
    var rows = EncodedRows(format: .int8Blocks, capacity: 2, columns: 32)
    let bytes = [UInt8](repeating: 1, count: 200)
    for count in [1, 33, 35, 67, 69, 102] {
      #expect(throws: KernelError.self) {
        unsafe try rows.setWireBytes(bytes.span.extracting(0..<count).bytes)
      }
    }
    var broken = [UInt8](repeating: 1, count: 68)
    broken[34 + 7] = 0x80  // a code of −128
    #expect(throws: KernelError.wireContents(row: 1)) {
      unsafe try rows.setWireBytes(broken.span.bytes)
    }
    broken[34 + 7] = 1
    broken[33] = 0x7c  // an infinite scale
    #expect(throws: KernelError.wireContents(row: 0)) {
      unsafe try rows.setWireBytes(broken.span.bytes)
    }
    var replies = EncodedReplies(format: .int16Blocks, capacity: 2, columns: 40)
    #expect(throws: KernelError.wireLength(expected: 136, found: 137)) {
      unsafe try replies.setWireBytes(bytes.span.extracting(0..<137).bytes)
    }
  }

  @Test func repliesAreRoundedToFifteenBits() throws {
    var random = SeededGenerator(seed: 11)
    for columns in [1, 31, 32, 33, 80] {
      let x = random.matrix(rows: 2, columns: columns, in: -9...9)
      var replies = EncodedReplies(format: .int16Blocks, capacity: 2, columns: columns)
      replies.encode(x, rows: 0..<2, with: kernels)
      var sum = FloatMatrix(rows: 1, columns: columns)
      let entries: [Int32] = [1]
      let offsets: [Int32] = [0, 1]
      kernels.sumReplies(replies, entries: entries.span, offsets: offsets.span, into: &sum)
      for column in 0..<columns {
        let block = column / 32 * 32
        let most = (block..<min(block + 32, columns)).map { abs(x.row(1)[$0]) }.max() ?? 0
        #expect(abs(sum.row(0)[column] - x.row(1)[column]) <= most / 32767 * 0.51)
      }
    }
  }
}

/// Codes and scales of one encoded row.
private func int8(_ wire: RawSpan, columns: Int) -> (codes: [Int], scales: [Float]) {
  let bytes = wire.words.map { UInt8($0) }
  var scales = [Float](repeating: 0, count: columns / 32)
  var span = scales.mutableSpan
  unsafe ElementFormat.f16.decode(bytes.span.extracting(columns...).bytes, into: &span)
  return (bytes.prefix(columns).map { Int(Int8(bitPattern: $0)) }, scales)
}
