import Foundation
import Glibc
import TestSupport
import Testing

/// Everything here runs real processes; one test at a time, so that they do not disturb each other.
@Suite(.serialized) struct ClusterTests {}

/// The built command, as a user runs it.
enum ConclaveCommand {
  /// It lies beside the test bundle.
  static let path = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent().appending(path: "conclave").path

  static func start(
    _ arguments: [String], input: String? = "", environment: [String: String] = [:]
  ) throws -> ChildProcess {
    try ChildProcess(path, arguments, input: input, environment: environment)
  }

  static func run(
    _ arguments: [String], input: String = "", environment: [String: String] = [:],
    limit: Duration = .seconds(120)
  ) throws -> ChildProcess.Ended {
    try start(arguments, input: input, environment: environment).wait(limit: limit)
  }

  /// Runs and expects success.
  static func output(_ arguments: [String], input: String = "") throws -> Data {
    let ended = try run(arguments, input: input)
    try #require(ended.status == 0, "conclave \(arguments.joined(separator: " ")): \(ended.errors)")
    return ended.output
  }

  /// Expects exit 1 and one line on standard error; returns the line.
  static func failure(_ arguments: [String], status: Int = 1) throws -> String {
    let ended = try run(arguments)
    let call = "conclave " + arguments.joined(separator: " ")
    #expect(ended.status == status, "\(call): \(ended.errors)")
    #expect(ended.errorLines.count == 1, "\(call): \(ended.errors)")
    #expect(ended.output.isEmpty, "\(call)")
    return ended.errorLines.first ?? ""
  }
}

/// Processes of this machine, from /proc.
enum ProcessTable {
  /// The processes that a process has started and that still run.
  static func children(of parent: pid_t) -> [pid_t] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { pid_t($0) }.filter { parentOf($0) == parent }
  }

  /// Whether a process exists and is no zombie.
  static func isRunning(_ pid: pid_t) -> Bool {
    guard let state = fields(of: pid).first else { return false }
    return state != "Z" && state != "X"
  }

  static func residentBytes(of pid: pid_t, key: String = "VmRSS") -> Int? {
    let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
    let line = status?.split(separator: "\n").first { $0.hasPrefix(key + ":") }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
  }

  static func arguments(of pid: pid_t) -> [String] {
    let data = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
    return data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }

  private static func parentOf(_ pid: pid_t) -> pid_t? {
    fields(of: pid).dropFirst().first.flatMap { pid_t($0) }
  }

  /// The fields after the name in /proc/PID/stat; the first are state and parent.
  private static func fields(of pid: pid_t) -> [Substring] {
    guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
      let end = stat.lastIndex(of: ")")
    else { return [] }
    return stat[stat.index(after: end)...].split(separator: " ")
  }
}
