import Foundation

/// What a machine takes at least for a piece of a stream: one thread has the piece, another one
/// writes it to a socket of loopback, and a process on the other side reads it.
///
/// Run by `Benchmarks/stream-floor`; `--help` says more.
@main
struct StreamFloor {
  static func main() throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.first == "read" { return Reader.run(port: arguments.dropFirst().first) }
    guard let options = Options(arguments) else {
      print(Options.help)
      exit(arguments.contains("--help") ? 0 : 64)
    }
    print(
      "\(options.pieces) pieces of \(options.byteCount) bytes, one every 15 to 30 ms; microseconds of"
        + " processor time a piece")
    print("                                        hand over     write  together")
    for isCold in [false, true] {
      for kind in Kind.allCases where options.matches(kind) {
        let cost = try Measurement(kind, options, isCold: isCold).run()
        let title = kind.rawValue + (isCold ? ", caches cold" : ", idle machine")
        print(
          title.padding(toLength: 38, withPad: " ", startingAt: 0)
            + [cost.handingOver, cost.writing, cost.handingOver + cost.writing]
            .map { String(format: "%10.1f", $0) }.joined())
      }
    }
  }
}

/// How a piece goes from the thread that has it to the socket.
enum Kind: String, CaseIterable {
  /// A thread that sleeps on a condition wakes, and calls `write`.
  case condition = "condition, write"
  /// A NIO event loop is given a task that writes the bytes to a channel without handlers.
  case channel = "NIO channel"
  /// The same with NIO's HTTP encoder, a chunk for each piece.
  case http = "NIO channel, HTTP chunks"
}

/// What is asked for.
struct Options {
  static let help = """
    usage: Benchmarks/stream-floor [--pieces 500] [--bytes 250] [--only WORD]
      --pieces  of each kind
      --bytes   of a piece
      --only    kinds whose name contains this word, for a profiler
    Each kind is measured twice: on a machine that does nothing else, and while all processors read
    memory without pause, as they do when a model decodes. Then neither code nor data of the threads
    is in a cache when a piece comes.
    """

  var pieces = 500
  var byteCount = 250
  var only = ""

  init?(_ arguments: [String]) {
    var rest = arguments[...]
    while let option = rest.popFirst() {
      guard let text = rest.popFirst() else { return nil }
      switch (option, Int(text)) {
      case ("--pieces", let count?) where count > 0: pieces = count
      case ("--bytes", let count?) where (1...1 << 16).contains(count): byteCount = count
      case ("--only", _): only = text
      default: return nil
      }
    }
  }

  func matches(_ kind: Kind) -> Bool { only.isEmpty || kind.rawValue.contains(only) }
}

/// Processor time of the calling thread.
func threadTime() -> Duration {
  var time = timespec()
  unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}
