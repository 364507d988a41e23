package import Experts

/// Calls that two workers compute, so that their answers can be compared: a sample of all calls.
///
/// Sendings and replies in, verdicts out. Equal inputs have equal bits wherever they are computed, so
/// two answers that differ mean that somebody computes wrongly.
package struct DuplicateChecks {
  /// One sending of two, and what was answered.
  package struct Answer: Equatable, Sendable {
    /// Index of the worker's link.
    package let worker: Int
    package let attempt: UInt32
    /// Checksum of the answer; nil before it has come.
    package fileprivate(set) var checksum: UInt64?
  }

  /// A call that two workers compute.
  package struct Check: Equatable, Sendable {
    /// The call's number.
    package let call: UInt64
    package let layer: LayerIndex
    /// What both compute.
    package let work: ShareWork
    package fileprivate(set) var first: Answer
    package fileprivate(set) var second: Answer

    /// Whether both have answered, and differently.
    package var differs: Bool {
      guard let a = first.checksum, let b = second.checksum else { return false }
      return a != b
    }

    fileprivate var isDone: Bool { first.checksum != nil && second.checksum != nil }
  }

  private static let limit = 8

  private let fraction: Double
  private var credit = 0.0
  private var open: [Check] = []
  /// Answers that were compared.
  package private(set) var comparedCount = 0

  /// Checks that share of all sendings.
  package init(fraction: Double) { self.fraction = fraction }

  /// Whether none is on its way.
  package var isEmpty: Bool { open.isEmpty }

  /// Counts a sending; whether it is one to check.
  package mutating func takesNext() -> Bool {
    guard fraction > 0 else { return false }
    credit += fraction
    guard credit >= 1 else { return false }
    credit -= 1
    return true
  }

  /// Two workers were sent the same.
  package mutating func begin(
    call: UInt64, layer: LayerIndex, _ work: ShareWork, first: (worker: Int, attempt: UInt32),
    second: (worker: Int, attempt: UInt32)
  ) {
    if open.count == Self.limit { open.removeFirst() }
    open.append(
      Check(
        call: call, layer: layer, work: work,
        first: Answer(worker: first.worker, attempt: first.attempt),
        second: Answer(worker: second.worker, attempt: second.attempt)))
  }

  /// Whether an answer of that worker is to be compared.
  package func awaits(call: UInt64, worker: Int, attempt: UInt32) -> Bool {
    open.contains {
      $0.call == call
        && [$0.first, $0.second].contains { $0.worker == worker && $0.attempt == attempt }
    }
  }

  /// Takes in an answer; the check, when that completes it.
  package mutating func answer(
    call: UInt64, worker: Int, attempt: UInt32, checksum: UInt64
  ) -> Check? {
    guard let index = open.firstIndex(where: { $0.call == call }) else { return nil }
    if open[index].first.worker == worker, open[index].first.attempt == attempt {
      open[index].first.checksum = checksum
    } else if open[index].second.worker == worker, open[index].second.attempt == attempt {
      open[index].second.checksum = checksum
    }
    guard open[index].isDone else { return nil }
    comparedCount += 1
    return open.remove(at: index)
  }

  /// A worker is gone: its answers will not come.
  package mutating func lose(_ worker: Int) {
    open.removeAll { $0.first.worker == worker || $0.second.worker == worker }
  }
}

/// Everything that decides an answer: rows as they are sent, and what to do with them.
package struct ShareWork: Equatable, Sendable {
  package let rows: [UInt8]
  package let rowCount: Int
  package let entries: [RoutedEntry]

  package init(rows: [UInt8], rowCount: Int, entries: [RoutedEntry]) {
    self.rows = rows
    self.rowCount = rowCount
    self.entries = entries
  }
}
