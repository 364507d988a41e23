import Foundation
import Synchronization

/// What was done, and how long answers stood still when it was.
final class FaultLog: Sendable {
  struct Entry: Sendable {
    let kind: FaultKind
    let at: UInt64
    let recovered: Bool
  }

  private struct State {
    var entries: [Entry] = []
    var counts: [FaultKind: Int] = [:]
    var missed = 0
  }

  private let state = Mutex(State())

  var count: Int { state.withLock { $0.entries.count } }
  var entries: [Entry] { state.withLock { $0.entries } }
  var missed: Int { state.withLock { $0.missed } }

  /// The kinds that were tried least.
  func rarest(of kinds: [FaultKind]) -> [FaultKind] {
    let counts = state.withLock { $0.counts }
    return Array(
      kinds.shuffled().sorted { counts[$0, default: 0] < counts[$1, default: 0] }.prefix(6))
  }

  func begin(_ kind: FaultKind) { state.withLock { $0.counts[kind, default: 0] += 1 } }

  func end(_ kind: FaultKind, _ outcome: (at: UInt64, recovered: Bool)?) {
    state.withLock { state in
      guard let outcome else {
        state.missed += 1
        state.counts[kind, default: 1] -= 1
        return
      }
      state.entries.append(Entry(kind: kind, at: outcome.at, recovered: outcome.recovered))
    }
  }
}

/// The figures for people.
enum ProofTable {
  static func print(_ entries: [FaultLog.Entry], _ gaps: [StormClients.Gap]) {
    let sorted = gaps.sorted { $0.start < $1.start }
    let longest = gaps.map { $0.end - $0.start }.max() ?? 0
    var stalls: [FaultKind: [Double]] = [:]
    for entry in entries {
      stalls[entry.kind, default: []].append(stall(entry.at, sorted, longest))
    }
    line("fault", ["count", "p50 ms", "p99 ms", "max ms"])
    for kind in FaultKind.allCases {
      guard let values = stalls[kind]?.sorted() else { continue }
      line(
        kind.rawValue,
        ["\(values.count)"] + [0.5, 0.99, 1].map { String(format: "%.0f", at($0, values)) })
    }
    let all = stalls.values.flatMap { $0 }.sorted()
    line("all", ["\(all.count)"] + [0.5, 0.99, 1].map { String(format: "%.0f", at($0, all)) })
  }

  /// The longest pause of any answer that began or went on in the 0.3 s after the fault, in ms.
  private static func stall(
    _ time: UInt64, _ gaps: [StormClients.Gap], _ longest: UInt64
  ) -> Double {
    var low = gaps.startIndex
    var high = gaps.endIndex
    let first = time > longest ? time - longest : 0
    while low < high {
      let middle = (low + high) / 2
      if gaps[middle].start < first { low = middle + 1 } else { high = middle }
    }
    var stall: UInt64 = 0
    while low < gaps.endIndex, gaps[low].start <= time + 300_000_000 {
      if gaps[low].end >= time { stall = max(stall, gaps[low].end - gaps[low].start) }
      low += 1
    }
    return Double(stall) / 1e6
  }

  private static func at(_ share: Double, _ values: [Double]) -> Double {
    values.isEmpty ? 0 : values[min(values.count - 1, Int(share * Double(values.count)))]
  }

  private static func line(_ name: String, _ cells: [String]) {
    let padded = cells.map { String(repeating: " ", count: max(0, 9 - $0.count)) + $0 }
    report(name.padding(toLength: 32, withPad: " ", startingAt: 0) + padded.joined())
  }
}
