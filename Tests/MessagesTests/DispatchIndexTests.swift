import Experts
import Messages
import Testing

@Suite struct DispatchIndexTests {
  private let shape: ExpertShape

  init() throws {
    shape = try ExpertShape(
      hiddenSize: 32, expertIntermediateSize: 32, expertCount: 8, expertsPerToken: 2,
      moeLayers: 0..<1, modelGroupCount: 1)
  }

  private func frame(_ entries: [RoutedEntry]) -> [UInt8] {
    var bytes = [UInt8](
      repeating: 0, count: DispatchIndex.byteCount(entryCount: entries.count))
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    DispatchIndex.write(entries.span, into: &raw)
    return bytes
  }

  private func read(
    _ entries: [RoutedEntry], rows: Int, count: Int? = nil, hasShared: Bool = false
  ) throws(WireError) -> [RoutedEntry] {
    var header = Samples.dispatch
    header.rowCount = rows
    header.entryCount = count ?? entries.count
    var result: [RoutedEntry] = []
    try DispatchIndex.read(
      frame(entries).rawSpan, header: header, shape: shape, hasShared: hasShared, into: &result)
    return result
  }

  private func problem(
    _ entries: [(Int32, Int32, Float)], rows: Int, count: Int? = nil, hasShared: Bool = false
  ) -> String? {
    do {
      let entries = entries.map { RoutedEntry(row: $0.0, expert: $0.1, weight: $0.2) }
      _ = try read(entries, rows: rows, count: count, hasShared: hasShared)
      return nil
    } catch {
      guard case .malformed(_, let problem) = error else { return "\(error)" }
      return problem
    }
  }

  @Test func `an index comes back as it was`() throws {
    let entries = [(0, 1, 0.5), (0, 7, -2), (1, 0, 1)].map {
      RoutedEntry(row: $0.0, expert: $0.1, weight: $0.2)
    }
    let bytes = frame(entries)
    #expect(bytes.count == 24)
    #expect(Array(bytes[0..<8]) == [0, 0, 0, 0, 1, 0, 1, 0])
    #expect(try read(entries, rows: 2) == entries)
  }

  @Test func `an index that breaks a rule is refused`() {
    #expect(problem([(0, 1, 1)], rows: 1) == nil)
    #expect(
      problem([(0, 1, 1)], rows: 1, count: 2) == "an index of 8 bytes does not hold 2 entries")
    #expect(problem([(0, 8, 1)], rows: 1) == "expert 8 is not below 8")
    #expect(problem([(0, 1, .nan)], rows: 1) == "a weight of row 0 is not finite")
    #expect(problem([(1, 1, 1)], rows: 2) == "row 0 is missing from the index")
    #expect(problem([(0, 1, 1)], rows: 2) == "row 1 is missing from the index")
    #expect(problem([(0, 1, 1), (1, 1, 1)], rows: 1) == "row 0 is missing from the index")
    let order = "row 0 names experts out of order, twice, or more than 2"
    #expect(problem([(0, 2, 1), (0, 1, 1)], rows: 1) == order)
    #expect(problem([(0, 2, 1), (0, 2, 1)], rows: 1) == order)
    #expect(problem([(0, 1, 1), (0, 2, 1), (0, 3, 1)], rows: 1) == order)
  }

  @Test func `where workers have shared experts a row may name them last, with weight 1`() {
    let row: [(Int32, Int32, Float)] = [(0, 1, 0.5), (0, 2, 0.5), (0, 8, 1)]
    #expect(problem(row, rows: 1, hasShared: true) == nil)
    #expect(problem([(0, 8, 1), (1, 8, 1)], rows: 2, hasShared: true) == nil)
    #expect(problem([(0, 8, 1)], rows: 1) == "expert 8 is not below 8")
    #expect(problem([(0, 9, 1)], rows: 1, hasShared: true) == "expert 9 is not below 9")
    let weight = "the shared experts of row 0 have a weight"
    #expect(problem([(0, 8, 0.5)], rows: 1, hasShared: true) == weight)
    let order = "row 0 names experts out of order, twice, or more than 3"
    #expect(problem([(0, 1, 1), (0, 8, 1), (0, 8, 1)], rows: 1, hasShared: true) == order)
  }
}
