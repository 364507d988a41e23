import Foundation
import Kernels
import LinkEmulation
import Logging
import Messages
import ModelFiles
import Synchronization
import Transport
import Worker

/// The worker's process of a storm: a real daemon that breaks itself when a line of input says so.
enum FaultyWorker {
  /// Runs until the daemon or standard input ends.
  static func run(_ arguments: Arguments) throws {
    let faults = ArmedFaults(seed: UInt64(arguments["--seed"]) ?? 1)
    if let order = arguments.optional("--load-fault") { faults.arm(order) }
    var logger = Logger(label: "worker") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .notice
    var options = WorkerOptions(
      join: arguments["--join"], memoryBudget: 1 << 30,
      kernels: Kernels(team: ThreadTeam(threads: 1)), cores: 1,
      model: try arguments.optional("--model").map { try ModelArchive.open($0) },
      software: "storm", logger: logger)
    options.name = arguments["--name"]
    options.measuresBandwidth = false
    options.retryPause = .milliseconds(100)
    options.drainTimeout = .seconds(5)
    options.faults = faults
    if let path = arguments.optional("--key") {
      let coordinator = try PublicKey(arguments["--coordinator-key"])
      options.security = .keys(
        try KeyPairFile.read(path), trusted: AllowList([coordinator: "coordinator"]))
    }
    let daemon = WorkerDaemon(options)
    signal(SIGTERM, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: SIGTERM, queue: .global())
    source.setEventHandler { daemon.drain() }
    source.resume()
    let thread = Thread {
      while let line = readLine() { faults.arm(line) }
      exit(0)  // the storm is over
    }
    thread.start()
    try daemon.run()
  }
}

/// Breaks the worker once for each order.
final class ArmedFaults: WorkerFaults {
  private struct State {
    var order: FaultKind?
    var random: SeededGenerator
  }

  private let state: Mutex<State>

  init(seed: UInt64) { state = Mutex(State(random: SeededGenerator(state: seed))) }

  /// The next chance to do it is taken.
  func arm(_ order: String) {
    let kind = FaultKind.allCases.first { "\($0)" == order }
    state.withLock { $0.order = kind }
  }

  /// Takes the order if it is one of these, and reports it.
  private func take(_ kinds: FaultKind...) -> FaultKind? {
    let taken = state.withLock { state -> FaultKind? in
      guard let order = state.order, kinds.contains(order) else { return nil }
      state.order = nil
      return order
    }
    if let taken { report("fired \(taken)") }
    return taken
  }

  private func number(in range: Range<Int>) -> Int {
    state.withLock { Int.random(in: range, using: &$0.random) }
  }

  private func die() { _ = Glibc.kill(getpid(), SIGKILL) }

  private func sleep(milliseconds: Range<Int>) {
    usleep(UInt32(number(in: milliseconds)) * 1_000)
  }

  func reach(_ place: WorkerPlace) throws {
    switch place {
    case .received: if take(.crashReceived) != nil { die() }
    case .computing:
      if take(.crashComputing) != nil { die() }
      if take(.hangCompute) != nil { while true { Thread.sleep(forTimeInterval: 1) } }
    case .computed: if take(.crashComputed) != nil { die() }
    case .replied: if take(.crashReplied) != nil { die() }
    case .control: if take(.hangControl) != nil { sleep(milliseconds: 100..<3_000) }
    case .loading:
      switch take(.slowLoad, .diskError, .noMemory) {
      case .slowLoad: sleep(milliseconds: 200..<1_500)
      case .diskError:
        throw ModelFileError(
          file: "storm", "cannot read: Input/output error", remedy: "check the disk")
      case .noMemory: throw KernelError.outOfMemory(byteCount: 1)
      default: break
      }
    }
  }

  func replies(for reply: WorkerReply) -> [WorkerReply] {
    if let kind = take(.dropReply, .delayReply, .duplicateReply) {
      if kind == .dropReply { return [] }
      if kind == .duplicateReply { return [reply, reply] }
      sleep(milliseconds: 50..<1_000)
      return [reply]
    }
    guard !reply.payload.isEmpty,
      let kind = take(
        .wrongEpoch, .wrongAttempt, .wrongIncarnation, .wrongModel, .flipPayload, .flipChecksum,
        .truncateReply, .notFinite, .wrongShape)
    else { return [reply] }
    var changed = reply
    change(&changed, kind)
    return [changed]
  }

  private func change(_ reply: inout WorkerReply, _ kind: FaultKind) {
    let place = number(in: 0..<reply.payload.count)
    switch kind {
    case .wrongEpoch: reply.header.epoch = Epoch(rawValue: reply.header.epoch.rawValue + 1)
    case .wrongIncarnation: reply.header.incarnation = .random()
    case .wrongModel: reply.header.model ^= 1 << UInt64(number(in: 0..<64))
    case .flipPayload: reply.payload[place] ^= 1 << UInt8(number(in: 0..<8))
    case .flipChecksum: reply.header.checksum ^= 1 << UInt64(number(in: 0..<64))
    case .truncateReply:
      reply.payload.removeLast(place + 1)
      reply.header.checksum = checksum(reply.payload)
    case .notFinite:
      // Scales, and floats, are the last four bytes of a row.
      let bits: UInt32 = number(in: 0..<2) == 0 ? 0x7FC0_0000 : 0xFF80_0000
      for index in 0..<4 {
        reply.payload[reply.payload.count - 4 + index] = UInt8(
          truncatingIfNeeded: bits >> UInt32(8 * index))
      }
      reply.header.checksum = checksum(reply.payload)
    case .wrongAttempt, .wrongShape:
      guard case .reply(var inner) = reply.header.body else { return }
      if kind == .wrongAttempt { inner.call.attempt += 1 } else { inner.partialCount += 1 }
      reply.header.body = .reply(inner)
    default: break
    }
  }

  private func checksum(_ payload: [UInt8]) -> UInt64 {
    unsafe PayloadChecksum.of(index: RawSpan(), payload: payload.span.bytes)
  }
}
