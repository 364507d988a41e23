import CBareLinks
import Coordinator
import Experts
import Foundation
import Kernels
import Logging
import ModelFiles
import Telemetry
import Tensors
import Worker

/// What a dispatch and its combine cost when nothing is computed: one row to one worker process of
/// this machine, in turns with bare round trips of frames of the same sizes.
///
/// Run by `Benchmarks/dispatch`; `--help` says more.
@main
struct DispatchCost {
  static func main() throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.first == "answer" { return try WorkerProcess.run(Array(arguments.dropFirst())) }
    guard let options = Options(arguments) else {
      print(Options.help)
      exit(arguments.contains("--help") ? 0 : 64)
    }
    var results: [Result] = []
    for groups in options.groups {
      results += try Measurement(options, groups: groups).run()
    }
    print(options.json ? Report.json(results, options) : Report.table(results, options))
  }
}

/// What is asked for.
struct Options {
  static let help = """
    usage: Benchmarks/dispatch [--hidden 5120] [--groups 1,3] [--calls 200] [--rounds 25]
                               [--spin MICROSECONDS] [--only WORD] [--json]
      --hidden  elements of a row
      --groups  expert groups that the row uses, all of the one worker: rows of the answer
      --calls   round trips of each kind before the next kind has its turn
      --rounds  how often every kind has a turn; medians of rounds are compared
      --spin    also with sockets that are polled for so long before a thread sleeps (--hot-io)
      --only    kinds whose name contains this word, for a profiler
    """

  var hidden = 5120
  var groups = [1, 3]
  var calls = 200
  var rounds = 25
  var spin: Int?
  var only = ""
  var json = false

  init?(_ arguments: [String]) {
    var rest = arguments[...]
    while let option = rest.popFirst() {
      if option == "--json" {
        json = true
        continue
      }
      guard let text = rest.popFirst() else { return nil }
      if option == "--only" {
        only = text
        continue
      }
      let numbers = text.split(separator: ",").compactMap { Int($0) }
      guard let number = numbers.first, numbers.allSatisfy({ $0 > 0 }) else { return nil }
      switch option {
      case "--hidden" where number % 32 == 0: hidden = number
      case "--groups" where numbers.allSatisfy { $0 <= 8 }: groups = numbers
      case "--calls": calls = number
      case "--rounds": rounds = number
      case "--spin": spin = number
      default: return nil
      }
    }
  }
}

/// One kind of round trip, in one number of groups.
struct Result {
  let kind: String
  let groups: Int
  let questionByteCount: Int
  let answerByteCount: Int
  /// All round trips.
  var times = LatencyHistogram()
  /// Of each round: the median round trip, and what a round trip took of processors, in microseconds.
  var medians: [Double] = []
  var threadCosts: [Double] = []
  var askingCosts: [Double] = []
  var answeringCosts: [Double] = []
}

/// One worker process and every kind of round trip to it.
final class Measurement {
  private let options: Options
  private let groups: Int
  private let model: EmptyModel
  private let log = Logger(label: "dispatch", factory: { _ in SwiftLogNoOpLogHandler() })

  init(_ options: Options, groups: Int) throws {
    self.options = options
    self.groups = groups
    model = try EmptyModel(hidden: options.hidden, groups: groups)
  }

  func run() throws -> [Result] {
    defer { model.remove() }
    var kinds: [Kind] = []
    var ends: [() -> Void] = []
    defer { ends.reversed().forEach { $0() } }
    for spin in [nil, options.spin].prefix(options.spin == nil ? 1 : 2) {
      let cluster = try EmptyCluster(model, spin: spin, log)
      ends.append(cluster.end)
      kinds.append(
        Kind(
          name: spin == nil ? "dispatch, combine" : "the same, polling", worker: cluster.worker,
          ask: cluster.ask))
    }
    let sizes = try kinds[0].frames(model)
    let bare = try BareLinks(sizes)
    ends.append(bare.end)
    kinds += bare.kinds
    kinds.removeAll { !options.only.isEmpty && !$0.name.contains(options.only) }
    var results = kinds.map {
      Result(
        kind: $0.name, groups: groups, questionByteCount: sizes.questionByteCount,
        answerByteCount: sizes.answerByteCount)
    }
    for round in 0...options.rounds {  // the first one does not count
      for (index, kind) in kinds.enumerated() {
        try turn(kind, into: &results[index], counts: round > 0)
      }
    }
    return results
  }

  private func turn(_ kind: Kind, into result: inout Result, counts: Bool) throws {
    try kind.ask()
    var histogram = LatencyHistogram()
    let before = (bare_thread_time(), bare_process_time(getpid()), bare_process_time(kind.worker))
    for _ in 0..<options.calls {
      let start = MonotonicTime.nanoseconds
      try kind.ask()
      histogram.record(nanoseconds: MonotonicTime.nanoseconds - start)
    }
    let after = (bare_thread_time(), bare_process_time(getpid()), bare_process_time(kind.worker))
    guard counts else { return }
    result.times.add(histogram)
    result.medians.append(histogram.p50.microseconds)
    let calls = Double(options.calls) * 1e3
    result.threadCosts.append(Double(after.0 - before.0) / calls)
    result.askingCosts.append(Double(after.1 - before.1) / calls)
    result.answeringCosts.append(Double(after.2 - before.2) / calls)
  }
}

/// A way to ask a process of another kind of question.
struct Kind {
  let name: String
  let worker: pid_t
  let ask: () throws -> Void

  /// Frames of a dispatch with one row and of its reply.
  func frames(_ model: EmptyModel) throws -> FrameSizes { try FrameSizes(model) }
}
