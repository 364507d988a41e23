import Kernels
import Synthesis
import Tensors
import Testing

@Suite struct RandomBlocksTests {
  static let formats: [ElementFormat] = [
    .f32, .f16, .bf16, .q8_0, .q6K, .q5K, .q4K, .q5_1, .q5_0, .q4_1, .q4_0, .iq4NL, .iq4XS,
  ]

  private func values(
    _ format: ElementFormat, _ spread: Spread, seed: UInt64 = 1, count: Int = 1 << 18
  ) throws -> [Float] {
    let plan = TensorPlan(name: "t", format: format, shape: [count], values: spread)
    var blocks = RandomBlocks(plan, seed: seed)
    var bytes = [UInt8](repeating: 0, count: try #require(format.byteCount(elements: count)))
    blocks.fill(&bytes, count: bytes.count)
    var floats = [Float](repeating: 0, count: count)
    var span = floats.mutableSpan
    unsafe format.decode(bytes.span.bytes, into: &span)
    return floats
  }

  @Test(arguments: formats, [Float(0.006), 0.02, 1])
  func valuesAreCentredWithTheWantedDeviation(
    _ format: ElementFormat, _ deviation: Float
  ) throws {
    let values = try values(format, .centred(deviation: deviation)).map(Double.init)
    #expect(values.allSatisfy { $0.isFinite })
    let mean = values.reduce(0, +) / Double(values.count)
    let square = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
    #expect(abs(mean) < 0.01 * Double(deviation))
    #expect(abs(square.squareRoot() / Double(deviation) - 1) < 0.03)
    #expect((values.map(abs).max() ?? 0) < 4.5 * Double(deviation))
  }

  @Test func boundsAreKept() throws {
    let values = try values(.f32, .between(0.9, 1.1))
    #expect(values.allSatisfy { (0.9...1.1).contains($0) })
    #expect((values.min() ?? 1) < 0.901 && (values.max() ?? 1) > 1.099)
  }

  @Test(arguments: formats)
  func theSeedDecides(_ format: ElementFormat) throws {
    let spread = Spread.centred(deviation: 0.02)
    let first = try values(format, spread, seed: 1, count: 2048)
    #expect(try values(format, spread, seed: 1, count: 2048) == first)
    #expect(try values(format, spread, seed: 2, count: 2048) != first)
  }
}
