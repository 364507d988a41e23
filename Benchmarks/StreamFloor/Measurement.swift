import Foundation
import Synchronization

/// Microseconds of processor time a piece.
struct Cost {
  /// Of the thread that has the piece.
  let handingOver: Double
  /// Of the thread that writes it.
  let writing: Double
}

/// Hands pieces over as an engine does: one after each step.
struct Measurement {
  private let kind: Kind
  private let options: Options
  private let isCold: Bool

  init(_ kind: Kind, _ options: Options, isCold: Bool) {
    self.kind = kind
    self.options = options
    self.isCold = isCold
  }

  func run() throws -> Cost {
    let outlet: any Outlet =
      kind == .condition
      ? try ConditionOutlet(options.byteCount)
      : try ChannelOutlet(options.byteCount, speaksHTTP: kind == .http)
    let reader = try Reader(port: outlet.port)
    outlet.waitForReader()
    let memory = isCold ? Memory() : nil
    for _ in 0..<20 { step(memory, outlet) }  // what is needed once
    let before = outlet.writingTime()
    var handingOver = Duration.zero
    for _ in 0..<options.pieces { handingOver += step(memory, outlet) }
    let writing = outlet.writingTime() - before
    memory?.stop()
    outlet.close()
    reader.end()
    let count = Double(options.pieces)
    return Cost(
      handingOver: handingOver / .microseconds(1) / count,
      writing: writing / .microseconds(1) / count)
  }

  /// A step that ends with a piece; how long handing it over takes.
  @discardableResult
  private func step(_ memory: Memory?, _ outlet: any Outlet) -> Duration {
    let length = Duration.microseconds(Int.random(in: 15_000...30_000))
    if let memory { memory.read(for: length) } else { usleep(UInt32(length / .microseconds(1))) }
    let start = threadTime()
    outlet.send()
    return threadTime() - start
  }
}

/// Reads memory with all processors, as decoding reads weights.
final class Memory: Sendable {
  private static let byteCount = 256 << 20
  private let words = [UInt64](repeating: 1, count: Memory.byteCount / 8)
  private let isStopped = Atomic(false)
  private let sums = Atomic<UInt64>(0)

  /// Starts a thread for each processor but one, which is the caller's.
  init() {
    for number in 1..<max(ProcessInfo.processInfo.activeProcessorCount, 2) {
      Thread { [self] in
        var place = number * 1_000_000
        while !isStopped.load(ordering: .relaxed) { readPart(&place) }
      }.start()
    }
  }

  /// Reads with the calling thread, too.
  func read(for duration: Duration) {
    let end = ContinuousClock.now + duration
    var place = Int.random(in: 0..<words.count)
    while ContinuousClock.now < end { readPart(&place) }
  }

  func stop() { isStopped.store(true, ordering: .relaxed) }

  /// 256 KiB from a place on.
  private func readPart(_ place: inout Int) {
    let count = 32 << 10
    let start = min(place % words.count, words.count - count)
    var sum: UInt64 = 0
    for index in start..<start + count { sum &+= words[index] }
    sums.add(sum, ordering: .relaxed)
    place = start + count
  }
}

/// The process that reads what is written.
struct Reader {
  private let process = Process()

  init(port: Int) throws {
    process.executableURL = URL(filePath: CommandLine.arguments[0])
    process.arguments = ["read", String(port)]
    try process.run()
  }

  func end() {
    process.terminate()
    process.waitUntilExit()
  }

  /// Connects, asks, and reads until the other side ends.
  static func run(port: String?) {
    guard let port = port.flatMap({ UInt16($0) }), let socket = Loopback.connect(port) else {
      return
    }
    let request = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
    _ = unsafe write(socket, request, request.utf8.count)
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    while unsafe read(socket, &bytes, bytes.count) > 0 {}
  }
}
