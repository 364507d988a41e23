import Foundation
import Glibc

/// A started process whose output goes to files and whose resources are counted when it ends.
final class ChildProcess: @unchecked Sendable {  // used by one test at a time
  let pid: pid_t
  private let folder: URL
  private let start = ContinuousClock.now
  private var ended: Ended?

  /// How a process ended and what it used.
  struct Ended {
    /// The exit status, or 128 + the signal that ended it.
    let status: Int
    let output: Data
    let errors: String
    let wallTime: Duration
    /// User and system time: what the process itself did, however busy the machine is.
    let processorTime: Duration

    var text: String { String(decoding: output, as: UTF8.self) }
    var errorLines: [String] {
      errors.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        + (errors.isEmpty || errors.hasSuffix("\n") ? [] : ["(no line end)"])
    }

    /// The one JSON object on standard output.
    func json() throws -> [String: Any] {
      let value = try JSONSerialization.jsonObject(with: output)
      guard let object = value as? [String: Any] else { throw CocoaError(.coderInvalidValue) }
      return object
    }
  }

  /// Starts a program with `input` on its standard input, which never ends if that is nil, and
  /// `environment` added to this one.
  init(
    _ program: String, _ arguments: [String], input: String? = "",
    environment: [String: String] = [:]
  ) throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "conclave-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let inputFile = folder.appending(path: "in")
    if let input {
      try Data(input.utf8).write(to: inputFile)
    } else {
      unsafe mkfifo(inputFile.path, 0o600)
    }
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let files = ["in", "out", "err"].map { [folder] in folder.appending(path: $0).path }
    pid = try Self.spawn(
      [program] + arguments, variables: variables.map { "\($0)=\($1)" }, files: files)
  }

  deinit {
    if ended == nil { end(with: SIGKILL) }
    try? FileManager.default.removeItem(at: folder)
  }

  private static func spawn(
    _ arguments: [String], variables: [String], files: [String]
  ) throws -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    // Who may write to a pipe as well sees no end of it.
    unsafe posix_spawn_file_actions_addopen(&actions, 0, files[0], O_RDWR, 0)
    let flags = O_WRONLY | O_CREAT | O_TRUNC
    unsafe posix_spawn_file_actions_addopen(&actions, 1, files[1], flags, 0o600)
    unsafe posix_spawn_file_actions_addopen(&actions, 2, files[2], flags, 0o600)
    var pid: pid_t = 0
    let argv = unsafe arguments.map { unsafe strdup($0) } + [nil]
    let envp = unsafe variables.map { unsafe strdup($0) } + [nil]
    defer { unsafe (argv + envp).forEach { unsafe free($0) } }
    let failure = unsafe posix_spawn(&pid, arguments[0], &actions, nil, argv, envp)
    guard failure == 0 else { throw POSIXError(.init(rawValue: failure) ?? .EINVAL) }
    return pid
  }

  /// What it has written so far.
  var outputSoFar: String { read("out") }
  var errorsSoFar: String { read("err") }

  private func read(_ name: String) -> String {
    String(decoding: (try? Data(contentsOf: folder.appending(path: name))) ?? Data(), as: UTF8.self)
  }

  func signal(_ number: Int32) { kill(pid, number) }

  /// Waits until the condition holds; false when it does not within the limit.
  static func waits(upTo limit: Duration, until condition: () -> Bool) -> Bool {
    let deadline = ContinuousClock.now + limit
    while !condition() {
      guard ContinuousClock.now < deadline else { return false }
      usleep(5_000)
    }
    return true
  }

  /// Waits for the end; after the limit the process is killed and the status is 137.
  func wait(limit: Duration = .seconds(120)) -> Ended {
    if let ended { return ended }
    _ = Self.waits(upTo: limit) { reap(options: WNOHANG) }
    if let ended { return ended }
    return end(with: SIGKILL)
  }

  @discardableResult
  private func end(with number: Int32) -> Ended {
    signal(number)
    while !reap(options: 0) {}
    return ended
      ?? Ended(
        status: -1, output: Data(), errors: "", wallTime: .zero, processorTime: .zero)
  }

  private func reap(options: Int32) -> Bool {
    if ended != nil { return true }
    var status: Int32 = 0
    var usage = rusage()
    let result = unsafe wait4(pid, &status, options, &usage)
    guard result == pid || (result < 0 && errno == ECHILD) else { return false }
    ended = Ended(
      status: Int(status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)),
      output: (try? Data(contentsOf: folder.appending(path: "out"))) ?? Data(),
      errors: errorsSoFar, wallTime: ContinuousClock.now - start,
      processorTime: Self.duration(usage.ru_utime) + Self.duration(usage.ru_stime))
    return true
  }

  private static func duration(_ time: timeval) -> Duration {
    .seconds(Int64(time.tv_sec)) + .microseconds(Int64(time.tv_usec))
  }
}
