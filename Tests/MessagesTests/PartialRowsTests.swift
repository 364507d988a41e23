import Experts
import Kernels
import Messages
import Testing

@Suite struct PartialRowsTests {
  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func `a number that is not finite is found anywhere`(bad: Float) {
    let right = [Float](repeating: -3e38, count: 64)
    #expect(areFinite(right, .float32, width: 32))
    for index in right.indices {
      var wrong = right
      wrong[index] = bad
      #expect(!areFinite(wrong, .float32, width: 32))
      // Two rows of one block each: 16 words of codes, then a scale.
      let isScale = index % 17 == 16
      #expect(
        areFinite(Array(wrong.prefix(34)), .int16Blocks, width: 20) == (!isScale || index > 33))
    }
  }

  private func areFinite(_ words: [Float], _ format: ReplyFormat, width: Int) -> Bool {
    let bytes = words.flatMap { word in
      (0..<4).map { UInt8(truncatingIfNeeded: word.bitPattern >> (8 * UInt32($0))) }
    }
    let rows = bytes.count / format.byteCount(columns: width)
    return PartialRows.areFinite(bytes.rawSpan, format: format, width: width, rows: rows)
  }
}
