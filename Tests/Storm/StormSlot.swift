import Foundation
import LinkEmulation
import Synchronization
import Telemetry
import Transport

/// A place for one worker: its process, replaced when it ends, and its link.
final class StormSlot: @unchecked Sendable {  // `process`, `name` and `random` belong to its thread
  private let index: Int
  private unowned let cluster: StormCluster
  private let link: LinkEmulator
  private var process = Process()
  private var input = Pipe()
  private var output = Pipe()
  private(set) var name = ""
  private var generation = 0
  private var random: SeededGenerator
  private let fired = Mutex<(kind: String, at: UInt64)?>(nil)

  static func host(_ index: Int) -> String { "127.0.2.\(10 + index)" }

  init(_ index: Int, in cluster: StormCluster) throws {
    self.index = index
    self.cluster = cluster
    random = SeededGenerator(state: cluster.settings.seed &+ UInt64(index) &* 7_919)
    let routes = [cluster.ports.control, cluster.ports.data].map {
      LinkRoute(
        listen: TCPEndpoint(host: Self.host(index), port: $0),
        target: TCPEndpoint(host: "127.0.0.1", port: $0))
    }
    link = try LinkEmulator(routes, seed: random.next())
    try start()
  }

  // MARK: - The process

  /// Starts a worker under a name of its own, so that it need not wait for what another one did.
  private func start(loadFault: FaultKind? = nil) throws {
    generation += 1
    name = "storm-\(index)-\(generation)"
    process = Process()
    input = Pipe()
    output = Pipe()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = cluster.workerArguments(index, name: name, loadFault: loadFault)
    // A crash is to be over at once.
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["SWIFT_BACKTRACE": "enable=no"]) { $1 }
    process.standardInput = input
    process.standardOutput = output
    if !FileManager.default.fileExists(atPath: logFile.path) {
      _ = FileManager.default.createFile(atPath: logFile.path, contents: nil)
    }
    let handle = try FileHandle(forWritingTo: logFile)
    try handle.seekToEnd()
    process.standardError = handle
    try process.run()
    try handle.close()
    try input.fileHandleForReading.close()
    try output.fileHandleForWriting.close()
    let reader = output.fileHandleForReading
    let thread = Thread { [self] in
      while true {
        let data = reader.availableData
        guard !data.isEmpty else { break }
        let now = MonotonicTime.nanoseconds
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
          fired.withLock { $0 = (String(line.dropFirst("fired ".count)), now) }
        }
      }
      try? reader.close()
    }
    thread.start()
  }

  private func signal(_ signal: Int32) { _ = Glibc.kill(process.processIdentifier, signal) }

  /// Ends the process and starts another one.
  private func replace(loadFault: FaultKind? = nil) throws {
    signal(SIGCONT)
    signal(SIGKILL)
    while process.isRunning { usleep(1_000) }
    try? input.fileHandleForWriting.close()
    try start(loadFault: loadFault)
  }

  func end() {
    signal(SIGCONT)
    signal(SIGKILL)
    while process.isRunning { usleep(1_000) }
    try? input.fileHandleForWriting.close()
    link.stop()
  }

  // MARK: - Faults

  /// A pause before the next fault, in seconds.
  func pause() -> Double {
    -log(Double.random(in: 1e-9..<1, using: &random)) * cluster.settings.pause
  }

  /// Any of these.
  func pick(_ kinds: [FaultKind]) -> FaultKind { kinds.randomElement(using: &random) ?? .kill }

  /// Does it, and returns when the cluster has its worker back.
  ///
  /// - Returns: When it happened; nil when there was no chance to do it.
  func suffer(_ kind: FaultKind) throws -> (at: UInt64, recovered: Bool)? {
    let at = try kind.order.map { try order($0, kind) } ?? act(kind)
    guard let at else { return nil }
    if kind == .hangCompute {
      // It may find that out and end by itself.
      for _ in 0..<80 where process.isRunning { usleep(50_000) }
    }
    if kind.endsProcess, kind.order != nil || kind == .terminate {
      try replace()
    } else if kind.isGarbage, Int.random(in: 0..<10, using: &random) > 0 {
      try replace()  // rather than wait until it may come back
    }
    return (at, try recover(from: kind))
  }

  private func recover(from kind: FaultKind) throws -> Bool {
    for turn in 1...6_000 {
      if cluster.isReady(name) { return true }
      if !process.isRunning || turn.isMultiple(of: 400) && isBarred { try replace() }
      usleep(5_000)
    }
    report("  not whole 30 s after \"\(kind.rawValue)\": \(name), which said")
    for line in lastLines { report("    \(line)") }
    try replace()
    return false
  }

  /// Whether the worker has to wait for minutes: its garbage was one of two answers that were compared.
  private var isBarred: Bool {
    let wait = lastLines.last?.firstMatch(of: /may join again in (\d+) s/).flatMap { Int($0.1) }
    return wait ?? 0 > 60
  }

  /// The end of what this slot's workers have said.
  private var lastLines: [Substring] {
    let text = try? String(contentsOf: logFile, encoding: .utf8)
    return (text ?? "").split(separator: "\n").suffix(12)
  }

  private var logFile: URL { cluster.folder.appending(path: "worker-\(index).log") }

  /// Tells the process to break itself, and waits until it has.
  private func order(_ order: String, _ kind: FaultKind) throws -> UInt64? {
    fired.withLock { $0 = nil }
    try? input.fileHandleForWriting.write(contentsOf: Data((order + "\n").utf8))
    for _ in 0..<1_000 {
      if let fired = fired.withLock({ $0 }), fired.kind == order { return fired.at }
      usleep(2_000)
    }
    try? input.fileHandleForWriting.write(contentsOf: Data("nothing\n".utf8))
    return nil
  }

  private func act(_ kind: FaultKind) throws -> UInt64? {
    let start = MonotonicTime.nanoseconds
    switch kind {
    case .slowLoad, .diskError, .noMemory:
      fired.withLock { $0 = nil }
      try replace(loadFault: kind)
      for _ in 0..<1_500 {
        if let fired = fired.withLock({ $0 }), fired.kind == "\(kind)" { return fired.at }
        usleep(2_000)
      }
      return nil
    case .kill: try replace()
    case .stopBriefly: stop(for: 0.02..<0.5)
    case .stopLong: stop(for: 1..<7)
    case .terminate:
      signal(SIGTERM)
      for _ in 0..<700 where process.isRunning { usleep(10_000) }
    case .throttle: throttle(for: 1..<4)
    case .garbage: try Stranger.flood(cluster.ports, &random)
    default: return try changeLink(kind)
    }
    return start
  }

  private func stop(for seconds: Range<Double>) {
    signal(SIGSTOP)
    sleep(seconds)
    signal(SIGCONT)
  }

  /// Lets the process run for a tenth of the time only.
  ///
  /// By the kernel where this process may tell it to; else by stopping it for nine tenths.
  private func throttle(for seconds: Range<Double>) {
    if let limit = ProcessorLimit(process: process.processIdentifier, percent: 10) {
      sleep(seconds)
      return limit.lift()
    }
    let end = MonotonicTime.now + .seconds(Double.random(in: seconds, using: &random))
    while MonotonicTime.now < end {
      signal(SIGSTOP)
      usleep(45_000)
      signal(SIGCONT)
      usleep(5_000)
    }
  }

  private func sleep(_ seconds: Range<Double>) {
    Thread.sleep(forTimeInterval: Double.random(in: seconds, using: &random))
  }

  private func changeLink(_ kind: FaultKind) throws -> UInt64? {
    let before = link.statistics
    let start = MonotonicTime.nanoseconds
    switch kind {
    case .cut: try link.apply("cut")
    case .down: try hold("down", 0.1..<1, "up")
    case .stall: try hold("stall", 0.05..<1, "pass")
    case .delay: try hold("delay \(Int.random(in: 5..<50, using: &random))ms", 0.2..<1, "delay 0ms")
    case .rate: try hold("rate 1Mbit/s", 0.2..<1, "rate unlimited")
    case .dropForward: try hold("forward drop", 0.2..<2, "forward pass")
    case .dropBackward: try hold("backward drop", 0.2..<2, "backward pass")
    case .flipForward: try hold("forward flip 0.02%", 0.2..<0.6, "forward flip 0%")
    case .flipBackward: try hold("backward flip 0.02%", 0.2..<0.6, "backward flip 0%")
    default: return nil
    }
    let after = link.statistics
    let flips =
      after.forward.flippedByteCount + after.backward.flippedByteCount
      - before.forward.flippedByteCount - before.backward.flippedByteCount
    if kind == .flipForward || kind == .flipBackward, flips == 0 { return nil }
    return start
  }

  private func hold(_ change: String, _ seconds: Range<Double>, _ end: String) throws {
    try link.apply(change)
    sleep(seconds)
    try link.apply(end)
  }
}

/// Connections that speak something else.
enum Stranger {
  static func flood(
    _ ports: (control: Int, data: Int), _ random: inout SeededGenerator
  ) throws {
    for index in 0..<20 {
      let port = index % 2 == 0 ? ports.control : ports.data
      let socket = try TCPSocket.connect(
        to: TCPEndpoint(host: "127.0.0.1", port: port), timeout: .seconds(5))
      // A greeting, or none, and then noise.
      var bytes: [UInt8] =
        Bool.random(using: &random) ? [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3] : []
      let count = Int.random(in: 1..<4_000, using: &random)
      for _ in 0..<count { bytes.append(UInt8.random(in: 0...255, using: &random)) }
      try? socket.writeAll(bytes, count: bytes.count)
    }
  }
}
