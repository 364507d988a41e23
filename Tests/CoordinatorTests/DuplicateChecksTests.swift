import Coordinator
import Experts
import Testing

/// Which calls are computed twice, and what is made of the two answers.
@Suite struct DuplicateChecksTests {
  private let work = ShareWork(rows: [1, 2, 3], rowCount: 1, entries: [])

  private func checks(fraction: Double = 1) -> DuplicateChecks {
    var checks = DuplicateChecks(fraction: fraction)
    checks.begin(call: 5, layer: LayerIndex(1), work, first: (0, 1), second: (3, 2))
    return checks
  }

  @Test func `the share of calls is as asked`() {
    var checks = DuplicateChecks(fraction: 0.01)
    #expect((0..<1_000).count { _ in checks.takesNext() } == 10)
    var none = DuplicateChecks(fraction: 0)
    #expect(!(0..<1_000).contains { _ in none.takesNext() })
  }

  @Test func `equal answers agree and different ones do not, in either order`() {
    for (first, second) in [(0, 3), (3, 0)] {
      for other in [7, 8] as [UInt64] {
        var checks = checks()
        #expect(
          checks.answer(call: 5, worker: first, attempt: first == 0 ? 1 : 2, checksum: 7) == nil)
        let check = checks.answer(
          call: 5, worker: second, attempt: second == 0 ? 1 : 2, checksum: other)
        #expect(check?.differs == (other != 7))
        #expect(check?.work == work && checks.isEmpty && checks.comparedCount == 1)
      }
    }
  }

  @Test func `answers of others are not waited for`() {
    var checks = checks()
    #expect(checks.awaits(call: 5, worker: 3, attempt: 2))
    #expect(!checks.awaits(call: 5, worker: 3, attempt: 1))
    #expect(!checks.awaits(call: 6, worker: 3, attempt: 2))
    #expect(checks.answer(call: 5, worker: 1, attempt: 1, checksum: 1) == nil)
    checks.lose(1)
    #expect(!checks.isEmpty)
    checks.lose(3)
    #expect(checks.isEmpty)
  }

  @Test func `what is not answered is forgotten after a while`() {
    var checks = checks()
    for call in 6..<20 as Range<UInt64> {
      checks.begin(call: call, layer: LayerIndex(1), work, first: (0, 1), second: (3, 2))
    }
    #expect(!checks.awaits(call: 5, worker: 3, attempt: 2))
    #expect(checks.awaits(call: 19, worker: 3, attempt: 2))
  }
}
