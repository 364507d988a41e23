import Foundation
import TestSupport
import Testing

/// `conclave serve` on a free port of this machine.
struct RunningServer {
  let process: ChildProcess
  let port: Int
  let scheme: String

  /// Starts it and waits until it listens.
  init(_ arguments: [String], environment: [String: String] = [:]) throws {
    let process = try ConclaveCommand.start(
      ["serve"] + arguments + (arguments.contains("--http") ? [] : ["--http", "127.0.0.1:0"]),
      environment: environment)
    let pattern = /listening on (https?):\/\/[^\s"]*:(\d+)/
    let listens = ChildProcess.waits(upTo: .seconds(60)) {
      process.errorsSoFar.firstMatch(of: pattern) != nil && process.errorsSoFar.hasSuffix("\n")
    }
    try #require(listens, "\(process.errorsSoFar)")
    let match = try #require(process.errorsSoFar.firstMatch(of: pattern))
    self.process = process
    scheme = String(match.1)
    port = try #require(Int(match.2))
  }

  /// Sends a request with curl; returns the status and everything that came, headers included.
  func request(
    _ path: String, key: String? = nil, body: String? = nil, options: [String] = [],
    scheme: String? = nil
  ) throws -> (status: Int, text: String) {
    var arguments = ["curl", "-s", "-i", "--max-time", "60"] + options
    if let key { arguments += ["-H", "Authorization: Bearer \(key)"] }
    if let body { arguments += ["-H", "Content-Type: application/json", "-d", body] }
    let ended = try ChildProcess(
      "/usr/bin/env", arguments + ["\(scheme ?? self.scheme)://localhost:\(port)\(path)"]
    ).wait()
    let status = ended.text.firstMatch(of: /^HTTP\/1.1 (\d+)/).flatMap { Int($0.1) }
    return (status ?? 0, ended.text)
  }

  /// The answer to a question at temperature 0.
  func ask(_ question: String, key: String? = nil) throws -> String {
    let body = """
      {"temperature": 0, "messages": [{"role": "user", "content": "\(question)"}]}
      """
    return try request("/v1/chat/completions", key: key, body: body).text
  }
}
