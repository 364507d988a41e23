public import Foundation
import Logging
import Synchronization

/// Worker processes of this machine that live no longer than this process.
///
/// Each has a pipe on standard input that this process holds open: it ends when this one does, however
/// that happens. `terminate` (and `deinit`) ask with SIGTERM and then insist.
public final class LocalWorkers: @unchecked Sendable {  // `processes` is fixed once `init` returns
  private let processes: [Process]
  private let logs: [FileHandle]
  private let pipes: [Pipe]
  private let isTerminated = Atomic<Bool>(false)

  /// Starts `count` processes.
  ///
  /// - Parameters:
  ///   - count: Workers to start.
  ///   - executable: The program.
  ///   - arguments: What to pass to the worker of that index; it must watch standard input.
  /// - Throws: `ClusterError.localWorker` when one cannot be started.
  public init(
    count: Int, executable: URL, arguments: (Int) -> [String]
  ) throws {
    let logName = "conclave-\(UInt64.random(in: 0 ... .max))-worker"
    var started: [(Process, FileHandle, Pipe)] = []
    for index in 0..<count {
      let log = FileManager.default.temporaryDirectory.appending(path: "\(logName)-\(index).log")
      do {
        started.append(try Self.start(executable, arguments(index), log: log))
      } catch {
        for (process, _, _) in started { process.terminate() }
        throw ClusterError.localWorker(
          "cannot start a worker process (\(error.localizedDescription)); check \(executable.path)")
      }
    }
    processes = started.map(\.0)
    logs = started.map(\.1)
    pipes = started.map(\.2)
  }

  deinit { terminate() }

  private static func start(
    _ executable: URL, _ arguments: [String], log: URL
  ) throws -> (Process, FileHandle, Pipe) {
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
    return (process, reader, pipe)
  }

  /// Identifiers of the processes, in order.
  public var processIdentifiers: [Int32] { processes.map(\.processIdentifier) }

  /// The error of a process that has ended although nobody asked it to; nil while all run.
  public var failure: (any Error)? {
    guard !isTerminated.load(ordering: .relaxed) else { return nil }
    for (index, process) in processes.enumerated() where !process.isRunning {
      return ClusterError.localWorker(
        "worker process \(index) ended with status \(process.terminationStatus): "
          + lastLine(of: logs[index]))
    }
    return nil
  }

  private func lastLine(of log: FileHandle) -> String {
    try? log.seek(toOffset: 0)
    let text = String(decoding: (try? log.readToEnd()) ?? Data(), as: UTF8.self)
    return text.split(separator: "\n").last.map(String.init) ?? "it logged nothing"
  }

  /// Ends every process and waits for that.
  public func terminate(grace: Duration = .seconds(3)) {
    guard !isTerminated.exchange(true, ordering: .relaxed) else { return }
    for pipe in pipes { try? pipe.fileHandleForWriting.close() }
    for process in processes where process.isRunning { process.terminate() }
    let deadline = ContinuousClock.now + grace
    for process in processes {
      while process.isRunning, ContinuousClock.now < deadline {
        Thread.sleep(forTimeInterval: 0.01)
      }
      if process.isRunning { kill(process.processIdentifier, SIGKILL) }
      process.waitUntilExit()
    }
  }
}
