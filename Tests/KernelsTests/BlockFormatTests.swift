import Foundation
import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct BlockFormatTests {
  @Test(arguments: ElementFormat.allCases.filter { $0 != .f32 })
  func decodingEqualsTheGoldenBlocks(_ format: ElementFormat) throws {
    let raw = [UInt8](try Fixtures.data("blocks/\(format.name).blocks"))
    let expected = try Fixtures.floats("blocks/\(format.name).f32")
    var decoded = [Float](repeating: 0, count: expected.count)
    var span = decoded.mutableSpan
    unsafe format.decode(raw.span.bytes, into: &span)
    for index in expected.indices {
      if expected[index].isNaN {
        #expect(decoded[index].isNaN)
      } else {
        #expect(decoded[index].bitPattern == expected[index].bitPattern, "element \(index)")
      }
    }
  }

  @Test(arguments: ElementFormat.ofWeights)
  func packedRowsDecodeLikeRawRows(_ format: ElementFormat) throws {
    var random = SeededGenerator(seed: 1)
    let arena = WeightArena()
    for blocks in [1, 2, 3, 5] {
      let rows = 21
      let columns = format.blockLength * blocks
      let raw = random.rawRows(format, rows: rows, columns: columns)
      let matrix = try PackedMatrix(arena: arena, format: format, rows: rows, columns: columns)
      unsafe matrix.pack(rawRows: raw.span.bytes)
      let expected = decode(raw, format, count: rows * columns)
      var row = [Float](repeating: 0, count: columns)
      for index in 0..<rows {
        var span = row.mutableSpan
        matrix.copyRow(index, into: &span)
        #expect(row.span.bits == Array(expected[index * columns..<(index + 1) * columns]).span.bits)
      }
    }
  }

  @Test func panelsMayBePackedOneByOne() throws {
    var random = SeededGenerator(seed: 2)
    let raw = random.rawRows(.q6K, rows: 40, columns: 512)
    let rowBytes = raw.count / 40
    let matrix = try PackedMatrix(arena: WeightArena(), format: .q6K, rows: 40, columns: 512)
    for (first, end) in [(32, 40), (0, 16), (16, 32)] {
      unsafe matrix.pack(
        rawRows: raw.span.extracting(first * rowBytes..<end * rowBytes).bytes, at: first)
    }
    let expected = decode(raw, .q6K, count: 40 * 512)
    var row = [Float](repeating: 0, count: 512)
    for index in 0..<40 {
      var span = row.mutableSpan
      matrix.copyRow(index, into: &span)
      #expect(row == Array(expected[index * 512..<(index + 1) * 512]))
    }
  }

  @Test func packingKeepsTheSizeOfTheFile() throws {
    for format in ElementFormat.ofWeights {
      let matrix = try PackedMatrix(arena: WeightArena(), format: format, rows: 64, columns: 2048)
      #expect(matrix.byteCount == 64 * (format.byteCount(elements: 2048) ?? 0), "\(format.name)")
    }
  }

  @Test func shapesThatCannotBeAreRefused() {
    #expect(
      throws: KernelError.unsupportedShape(format: .q4K, rows: 16, columns: 100)
    ) { try PackedMatrix(arena: WeightArena(), format: .q4K, rows: 16, columns: 100) }
    #expect(throws: KernelError.self) {
      try PackedMatrix(arena: WeightArena(), format: .q8K, rows: 16, columns: 256)
    }
    #expect(
      KernelError.unsupportedShape(format: .q4K, rows: 16, columns: 100).description
        == "a 16 × 100 matrix of Q4_K cannot be multiplied: rows of this format "
        + "are whole blocks of 256; check the file")
  }
}

/// Reference decoding of raw rows.
func decode(_ raw: [UInt8], _ format: ElementFormat, count: Int) -> [Float] {
  var decoded = [Float](repeating: 0, count: count)
  var span = decoded.mutableSpan
  unsafe format.decode(raw.span.bytes, into: &span)
  return decoded
}
