import Foundation
import Glibc
import TestSupport
import Testing

extension ClusterTests {
  /// A server that lives and does not get on: what its service manager sees, and what clients lose.
  @Suite struct Watchdog {
    private static let listener = """
      import socket, sys
      s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      s.bind(sys.argv[1]); s.settimeout(float(sys.argv[2]))
      print("bound", flush=True)
      try:
        while True: print(s.recv(4096).decode(), flush=True)
      except TimeoutError: print("silence", flush=True)
      """
    private static let freezer = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Benchmarks/chaos/freeze.py").standardized.path

    /// The texts of a stream, one after another.
    private func text(_ stream: String) -> String {
      stream.split(separator: "\n").compactMap { line -> String? in
        guard line.hasPrefix("data: {"),
          let value = try? JSONSerialization.jsonObject(with: Data(line.dropFirst(6).utf8)),
          let choices = (value as? [String: Any])?["choices"] as? [[String: Any]]
        else { return nil }
        return choices.first?["text"] as? String
      }.joined()
    }

    /// The engine's thread is stopped as a debugger does it.
    @Test func `a server whose engine stands still is found out, and its streams go on`() throws {
      let folder = FileManager.default.temporaryDirectory.appending(path: "conclave-\(UUID())")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: folder) }
      let notify = folder.appending(path: "notify").path
      let listener = try ChildProcess(
        "/usr/bin/env", ["python3", "-c", Self.listener, notify, "10"])
      try #require(
        ChildProcess.waits(upTo: .seconds(20)) { listener.outputSoFar.contains("bound") })
      let arguments = [
        Fixtures.demoModel, "--threads", "1", "--journal", folder.appending(path: "journal").path,
      ]
      let server = try RunningServer(
        arguments, environment: ["NOTIFY_SOCKET": notify, "WATCHDOG_USEC": "6000000"])
      let body = """
        {"prompt": "Once upon a time", "temperature": 0, "max_tokens": 1500, "stream": true, \
        "ignore_eos": true}
        """
      let client = try ChildProcess(
        "/usr/bin/env",
        [
          "curl", "-s", "-N", "--max-time", "300", "-H", "Content-Type: application/json", "-d",
          body, "http://localhost:\(server.port)/v1/completions",
        ])
      let pattern = /id: (.+):\d+\n/
      let begins = ChildProcess.waits(upTo: .seconds(60)) {
        client.outputSoFar.firstMatch(of: pattern) != nil
      }
      try #require(begins, "\(client.outputSoFar.prefix(300)) \(server.process.errorsSoFar)")
      let stream = try #require(client.outputSoFar.firstMatch(of: pattern).map { String($0.1) })
      let freezer = try ChildProcess(
        "/usr/bin/env", ["python3", Self.freezer, "\(server.process.pid)", "engine"])
      #expect(
        ChildProcess.waits(upTo: .seconds(20)) { freezer.outputSoFar.contains("stopped") },
        "\(freezer.errorsSoFar)")
      let told = listener.wait(limit: .seconds(60)).text
      #expect(told.contains("WATCHDOG=1") && told.contains("silence"), "\(told)")
      server.process.signal(SIGKILL)
      _ = server.process.wait(limit: .seconds(20))
      let before = text(client.wait(limit: .seconds(20)).text)
      let next = try RunningServer(arguments)
      let after = text(try next.request("/v1/requests/\(stream)?from=0").text)
      let whole = text(
        try next.request("/v1/completions", body: body, options: ["--max-time", "300"]).text)
      #expect(!before.isEmpty && before.count < whole.count && whole.hasPrefix(before))
      #expect(after == whole)
      next.process.signal(SIGTERM)
      #expect(next.process.wait(limit: .seconds(60)).status == 0)
    }
  }
}
