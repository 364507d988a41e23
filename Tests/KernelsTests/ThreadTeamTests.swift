import Foundation
import Kernels
import Synchronization
import Tensors
import Testing

@Suite struct ThreadTeamTests {
  @Test func atLeastOneThreadIsRecommended() {
    #expect(ThreadTeam.recommendedThreadCount >= 1)
    #expect(ThreadTeam(threads: 3).threadCount == 3)
  }

  /// Thousands of small parallel regions, with pauses long enough to fall asleep in between.
  @Test(arguments: [1, 2, 3, 5])
  func noJobIsLostOrRunTwice(threads: Int) async throws {
    let kernels = Kernels(team: ThreadTeam(threads: threads))
    let rows = 64
    let columns = 512
    let one = FloatMatrix(rows: rows, columns: columns) { _, _ in 1 }
    var sum = FloatMatrix(rows: rows, columns: columns)
    for round in 1...3000 {
      kernels.add(one, to: &sum, rows: 0..<rows)
      if round % 500 == 0 { try await Task.sleep(for: .milliseconds(2)) }
    }
    #expect(sum.bits.allSatisfy { $0 == Float(3000).bitPattern })
  }

  @Test func callersMayShareATeam() async {
    let team = ThreadTeam(threads: 2)
    await withTaskGroup(of: Bool.self) { group in
      for seed in 0..<4 {
        group.addTask {
          let kernels = Kernels(team: team)
          var random = SeededGenerator(seed: UInt64(seed))
          let x = random.matrix(rows: 100, columns: 400)
          var sum = FloatMatrix(rows: 100, columns: 400)
          for _ in 0..<200 { kernels.add(x, to: &sum, rows: 0..<100) }
          return (0..<100).allSatisfy { abs(sum.row($0)[7] - 200 * x.row($0)[7]) < 1e-2 }
        }
      }
      for await right in group { #expect(right) }
    }
  }

  @Test func teamsComeAndGo() {
    for threads in 1...40 {
      let kernels = Kernels(team: ThreadTeam(threads: threads % 4 + 1))
      let x = FloatMatrix(rows: 64, columns: 512) { row, _ in Float(row) }
      var sum = FloatMatrix(rows: 64, columns: 512)
      if threads % 2 == 0 { kernels.add(x, to: &sum, rows: 0..<64) }
      #expect(sum.row(63)[0] == (threads % 2 == 0 ? 63 : 0))
    }
  }

  /// Other threads keep every processor busy, so that helpers lose theirs in the middle of chunks.
  @Test func aBusyMachineLosesNothing() {
    let end = StopFlag()
    let others = (0..<2 * ThreadTeam.recommendedThreadCount).map { _ in
      Thread { while !end.isRaised {} }
    }
    for thread in others { thread.start() }
    defer { end.raise() }
    let kernels = Kernels(team: ThreadTeam(threads: 3))
    let one = FloatMatrix(rows: 64, columns: 8192) { _, _ in 1 }
    var sum = FloatMatrix(rows: 64, columns: 8192)
    for _ in 0..<400 { kernels.add(one, to: &sum, rows: 0..<64) }
    #expect(sum.bits.allSatisfy { $0 == Float(400).bitPattern })
  }

  /// A helper that was the last to leave a job is held up until the caller sleeps in a later one.
  @Test func aLateWakeupEndsNoOtherJob() async {
    let team = ThreadTeam(threads: 8) {
      if Int.random(in: 0..<4) == 0 { usleep(.random(in: 20...400)) }
    }
    let rounds = 300
    let taken = Mutex([Int](repeating: 0, count: rounds))
    let finished = Atomic<Int>(0)
    let caller = Thread {
      for round in 0..<rounds {
        team.forEach(16) { index in
          if index % 5 == 4 { usleep(300) }
          taken.withLock { $0[round] += 1 }
        }
        taken.withLock { if $0[round] != 16 { $0[round] = -1000 } }
        finished.store(round + 1, ordering: .releasing)
      }
    }
    caller.start()
    for _ in 0..<1200 where finished.load(ordering: .acquiring) < rounds {
      try? await Task.sleep(for: .milliseconds(100))
    }
    #expect(finished.load(ordering: .acquiring) == rounds, "the team stands still")
    #expect(taken.withLock { $0.allSatisfy { $0 == 16 } }, "a job ended with chunks open")
  }

  @Test func eachThreadHasABufferOfItsOwn() {
    let team = ThreadTeam(threads: 4)
    let sums = Mutex<[Int]>([])
    team.forEach(100, bufferByteCount: 4096) { index, buffer in
      var bytes = buffer.mutableBytes
      for place in 0..<4096 {
        bytes.storeBytes(of: UInt8(index), toByteOffset: place, as: UInt8.self)
      }
      let sum = (0..<4096).reduce(0) {
        $0 + Int(unsafe buffer.bytes.unsafeLoad(fromByteOffset: $1, as: UInt8.self))
      }
      sums.withLock { $0.append(sum) }
    }
    #expect(sums.withLock { $0.sorted() } == (0..<100).map { 4096 * $0 })
    team.forEach(0, bufferByteCount: 16) { _, _ in Issue.record("there is nothing to do") }
  }
}

/// A request to end, from one thread to another.
private final class StopFlag: Sendable {
  private let value = Atomic<Bool>(false)
  var isRaised: Bool { value.load(ordering: .relaxed) }
  func raise() { value.store(true, ordering: .relaxed) }
}
