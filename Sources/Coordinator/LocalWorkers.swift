public import Foundation
import Logging
import Synchronization

/// Worker processes of this machine that live no longer than this process.
///
/// Each has a pipe on standard input that this process holds open: it ends when this one does, however
/// that happens. `terminate` (and `deinit`) ask with SIGTERM and then insist.
public final class LocalWorkers: @unchecked Sendable {  // processes are touched under the lock only
  /// A process, the log that it writes, and the pipe that keeps it alive.
  private struct Worker {
    var process: Process
    var log: FileHandle
    var pipe: Pipe
    var startedAt = ContinuousClock.now
    var quickEnds = 0

    /// Gives the descriptors back; a `Process` that has ended keeps its pipe.
    func close() {
      try? pipe.fileHandleForWriting.close()
      try? log.close()
    }
  }

  private let executable: URL
  private let arguments: @Sendable (Int) -> [String]
  private let lock = NSLock()
  private var workers: [Worker] = []
  private let isTerminated = Atomic<Bool>(false)

  /// Starts `count` processes.
  ///
  /// - Parameters:
  ///   - count: Workers to start.
  ///   - executable: The program.
  ///   - arguments: What to pass to the worker of that index; it must watch standard input.
  /// - Throws: `ClusterError.localWorker` when one cannot be started.
  public init(
    count: Int, executable: URL, arguments: @escaping @Sendable (Int) -> [String]
  ) throws {
    self.executable = executable
    self.arguments = arguments
    for index in 0..<count {
      do {
        workers.append(try Self.start(executable, arguments(index)))
      } catch {
        for worker in workers { worker.process.terminate() }
        throw ClusterError.localWorker(
          "cannot start a worker process (\(error.localizedDescription)); check \(executable.path)")
      }
    }
  }

  deinit { terminate() }

  private static func start(_ executable: URL, _ arguments: [String]) throws -> Worker {
    let log = FileManager.default.temporaryDirectory.appending(
      path: "conclave-\(UInt64.random(in: 0 ... .max))-worker.log")
    guard FileManager.default.createFile(atPath: log.path, contents: nil) else {
      throw CocoaError(.fileWriteUnknown)
    }
    let output = try FileHandle(forWritingTo: log)
    let reader = try FileHandle(forReadingFrom: log)
    // Two handles keep the log alive; nothing is left behind, however this process ends.
    try FileManager.default.removeItem(at: log)
    let process = Process()
    let pipe = Pipe()
    process.executableURL = executable
    process.arguments = arguments
    process.standardInput = pipe
    process.standardOutput = output
    process.standardError = output
    try process.run()
    // Only the child shall hold the reading end, and no later child the writing end.
    try pipe.fileHandleForReading.close()
    try output.close()
    return Worker(process: process, log: reader, pipe: pipe)
  }

  /// Identifiers of the processes, in order.
  public var processIdentifiers: [Int32] {
    lock.withLock { workers.map(\.process.processIdentifier) }
  }

  /// The error of a process that has ended although nobody asked it to; nil while all run.
  public var failure: (any Error)? {
    guard !isTerminated.load(ordering: .relaxed) else { return nil }
    return lock.withLock {
      for (index, worker) in workers.enumerated() where !worker.process.isRunning {
        return ClusterError.localWorker(
          "worker process \(index) ended with status \(worker.process.terminationStatus): "
            + lastLine(of: worker.log))
      }
      return nil
    }
  }

  /// Starts processes again that end from now on, sooner or later: the later, the more often they
  /// end at once.
  public func restartEnded() {
    let thread = Thread { [weak self] in
      while let self, !isTerminated.load(ordering: .relaxed) {
        restart()
        Thread.sleep(forTimeInterval: 0.05)
      }
    }
    thread.name = "local workers"
    thread.start()
  }

  private func restart() {
    lock.withLock {
      for (index, worker) in workers.enumerated() where !worker.process.isRunning {
        guard !isTerminated.load(ordering: .relaxed) else { return }
        let now = ContinuousClock.now
        let lived = now - worker.startedAt
        let pause = Duration.milliseconds(100 << min(worker.quickEnds, 8))
        guard lived > pause, var next = try? Self.start(executable, arguments(index)) else {
          continue
        }
        worker.close()
        next.quickEnds = lived > .seconds(30) ? 0 : worker.quickEnds + 1
        workers[index] = next
      }
    }
  }

  private func lastLine(of log: FileHandle) -> String {
    try? log.seek(toOffset: 0)
    let text = String(decoding: (try? log.readToEnd()) ?? Data(), as: UTF8.self)
    return text.split(separator: "\n").last.map(String.init) ?? "it logged nothing"
  }

  /// Ends every process and waits for that.
  public func terminate(grace: Duration = .seconds(3)) {
    guard !isTerminated.exchange(true, ordering: .relaxed) else { return }
    let workers = lock.withLock { self.workers }
    for worker in workers { try? worker.pipe.fileHandleForWriting.close() }
    for worker in workers where worker.process.isRunning { worker.process.terminate() }
    let deadline = ContinuousClock.now + grace
    for worker in workers {
      while worker.process.isRunning, ContinuousClock.now < deadline {
        Thread.sleep(forTimeInterval: 0.01)
      }
      if worker.process.isRunning { kill(worker.process.processIdentifier, SIGKILL) }
      worker.process.waitUntilExit()
    }
  }
}
