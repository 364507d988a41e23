import Coordinator
import Foundation
import Telemetry

/// Shows what the links are like now, until somebody has seen enough.
final class LatencyWatch {
  private static let historyCount = 40
  private static let blocks = Array("▁▂▃▄▅▆▇█")

  /// One link and payload.
  private struct Line {
    let label: String
    let byteCount: Int
    let transport: ProbeTransport
    var now = LatencyHistogram()
    var all = LatencyHistogram()
    var history: [Duration] = []
  }

  private let prober: LinkProber
  private let sizes: [Int]
  private let interval: Duration?
  private var lines: [Line] = []
  private var shownCount = 0

  init(_ prober: LinkProber, sizes: [Int], interval: Duration?) {
    self.prober = prober
    self.sizes = sizes
    self.interval = interval
  }

  /// Runs until Ctrl-C.
  func run() throws {
    let interrupts = Interrupts()
    defer { interrupts.release() }
    while !interrupts.isInterrupted {
      let end = MonotonicTime.now + .seconds(1)
      for index in lines.indices { lines[index].now.removeAll() }
      repeat { try probe(interrupts) } while MonotonicTime.now < end && !interrupts.isInterrupted
      for index in lines.indices {
        lines[index].history = (lines[index].history + [lines[index].now.p50])
          .suffix(Self.historyCount)
      }
      try show()
    }
  }

  /// A few probes of everything.
  private func probe(_ interrupts: Interrupts) throws {
    for worker in prober.workers.indices {
      for size in sizes where !interrupts.isInterrupted {
        for result in try prober.probe(
          worker: worker, payloadByteCount: size, count: 10, interval: interval)
        {
          let index = lines.firstIndex {
            $0.label == result.label && $0.byteCount == result.payloadByteCount
              && $0.transport == result.transport
          }
          let roundTrips = result.roundTrips
          if index == nil {
            lines.append(
              Line(
                label: result.label, byteCount: result.payloadByteCount,
                transport: result.transport))
          }
          lines[index ?? lines.count - 1].now.add(roundTrips)
          lines[index ?? lines.count - 1].all.add(roundTrips)
        }
      }
    }
  }

  private func show() throws {
    var table = Table(
      [
        "worker", "payload", "over", "p50", "p99", "p50 so far", "p99 so far", "max",
        "median of each second",
      ],
      rightAligned: [1, 3, 4, 5, 6, 7])
    for line in lines {
      table.add(
        [line.label, Quantity.bytes(line.byteCount), line.transport.text]
          + [line.now.p50, line.now.p99, line.all.p50, line.all.p99, line.all.max]
          .map(Quantity.time) + [Self.curve(line.history)])
    }
    let text = table.lines(style: .results)
    let up = shownCount > 0 && Terminal.showsResults ? "\u{1B}[\(shownCount)A" : ""
    let clear = Terminal.showsResults ? "\u{1B}[K" : ""
    try Output.write(up + text.map { $0 + clear + "\n" }.joined())
    shownCount = text.count
  }

  /// The last seconds as blocks: the lowest block is the least of them, the highest twice as much or
  /// the most.
  private static func curve(_ history: [Duration]) -> String {
    guard let least = history.min(), let most = history.max(), least > .zero else { return "" }
    let span = max(most / least - 1, 1)
    return String(
      history.map { time in
        let height = (time / least - 1) / span * Double(blocks.count - 1)
        return blocks[min(max(Int(height.rounded()), 0), blocks.count - 1)]
      })
  }
}
