import Foundation
import TestSupport
import Testing

extension ClusterTests {
  /// What a cluster will do, before there is one.
  @Suite struct Planning {
    /// A hosts file that is there while `body` runs.
    private func withHosts<Value>(
      _ text: String, _ body: (String) throws -> Value
    ) throws -> Value {
      let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).yaml").path
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      defer { try? FileManager.default.removeItem(atPath: path) }
      return try body(path)
    }

    private static let hosts = """
      coordinator: {name: a, memory: 32GiB, cores: 16, bandwidth: 80 GB/s, price: 0.5}
      workers:
        - {name: b, count: 4, memory: 40GiB, cores: 16, bandwidth: 80 GB/s, price: 0.25}
      link: {bandwidth: 10 Gbit/s, rtt: 0.1 ms}
      """

    @Test func `a public model is planned without a file of it`() throws {
      let plan = try withHosts(Self.hosts) { path in
        try ConclaveCommand.run([
          "plan", "deepseek-v2", "--hosts", path, "--quantization", "Q4_K_M", "--json",
        ]).json()
      }
      #expect(plan["fits"] as? Bool == true)
      let hosts = try #require(plan["hosts"] as? [[String: Any]])
      #expect(hosts.map { $0["name"] as? String } == ["a", "b-1", "b-2", "b-3", "b-4"])
      let bytes = hosts.compactMap { $0["expertBytes"] as? Int }
      #expect(bytes.first == 0 && bytes.dropFirst().allSatisfy { $0 > 20 << 30 })
      let speed = try #require(plan["predictedDecodeTokensPerSecond"] as? Double)
      #expect(speed > 1 && speed < 100)
      let batches = try #require(plan["batches"] as? [[String: Any]])
      #expect(batches.count == 4)
      #expect(batches.allSatisfy { ($0["costPerMillionTokens"] as? Double ?? 0) > 0 })
    }

    @Test func `shared experts are planned where they shall be`() throws {
      func bytes(_ plan: [String: Any], _ name: String) -> Int {
        let hosts = plan["hosts"] as? [[String: Any]] ?? []
        return hosts.compactMap { $0[name] as? Int }.reduce(0, +)
      }
      try withHosts(Self.hosts) { path in
        let call = ["deepseek-v2-lite", "--hosts", path]
        let here = try ConclaveCommand.run(["plan", "--json"] + call).json()
        let moving = call + ["--shared-experts", "workers"]
        let there = try ConclaveCommand.run(["plan", "--json"] + moving).json()
        let moved = bytes(here, "trunkBytes") - bytes(there, "trunkBytes")
        #expect(moved > 200 << 20)
        #expect(bytes(there, "expertBytes") == bytes(here, "expertBytes") + moved)
        let changes = here["changes"] as? [[String: Any]] ?? []
        let change = changes.first {
          ($0["change"] as? String)?.contains("--shared-experts workers") == true
        }
        let promised = try #require(change?["decodeTokensPerSecond"] as? Double)
        #expect(there["predictedDecodeTokensPerSecond"] as? Double == promised)
        _ = try ConclaveCommand.output(["simulate", "--requests", "5"] + moving)
        let dense = ["plan", "deepseek-llm-7b", "--hosts", path, "--shared-experts", "workers"]
        #expect(try ConclaveCommand.failure(dense).contains("models with shared experts"))
        #expect(
          try ConclaveCommand.failure(
            ["plan"] + call + ["--shared-experts", "auto"], status: 64
          ).contains("must be coordinator or workers"))
      }
    }

    @Test func `people get a table`() throws {
      let text = try withHosts(Self.hosts) { path in
        String(
          decoding: try ConclaveCommand.output(["plan", "deepseek-v2-lite", "--hosts", path]),
          as: UTF8.self)
      }
      for word in ["a (coordinator)", "b-4", "tokens/s", "waits most for", "round trips"] {
        #expect(text.contains(word), "\(word): \(text)")
      }
    }

    @Test func `what does not fit is refused, with the object too`() throws {
      try withHosts("coordinator: {name: a, memory: 8GiB, bandwidth: 40 GB/s}") { path in
        let call = ["plan", "deepseek-v2", "--hosts", path]
        let line = try ConclaveCommand.failure(call)
        #expect(line.hasPrefix("conclave: the model does not fit: the coordinator a needs "))
        let ended = try ConclaveCommand.run(call + ["--json"])
        #expect(ended.status == 1 && ended.errorLines == [line])
        let plan = try ended.json()
        #expect(plan["fits"] as? Bool == false)
        #expect((plan["reasons"] as? [String])?.count == 1)
        #expect((plan["hosts"] as? [[String: Any]])?.isEmpty == false)
      }
    }

    @Test(arguments: [
      ("workers: []", "there must be one coordinator, not 0"),
      ("[1, 2]", "there is no coordinator"),
      ("coordinator: {memory: 8GiB}", "line 1: a coordinator needs its bandwidth"),
      ("coordinator:\n  memory: 8 apples", "line 2: memory must be a size like 64GiB"),
      ("coordinator:\n  memory: 64", "line 2: memory must be a size like 64GiB, not 64"),
      (
        "coordinator:\n  memory: 8GiB\n  bandwidth: 40",
        "line 3: bandwidth must be a bandwidth like 48 GB/s or 1 Gbit/s"
      ),
      ("coordinator:\n  memoryy: 8GiB", "line 2: \"memoryy\" is not one of name, count"),
      ("coordinator: {memory: 8GiB, bandwidth: 1 GB/s, count: 0}", "line 1: count must be"),
    ])
    func `mistakes in a hosts file are shown where they are`(text: String, words: String) throws {
      try withHosts(text) { path in
        let line = try ConclaveCommand.failure(["plan", "deepseek-v2-lite", "--hosts", path])
        #expect(line.hasPrefix("conclave: \(path)"))
        #expect(line.contains(words), "\(line)")
      }
    }

    @Test func `a machine describes itself as a hosts file wants it`() throws {
      let entry = String(
        decoding: try ConclaveCommand.output([
          "worker", "--describe", "--name", "here", "--memory", "2GiB",
        ]),
        as: UTF8.self)
      #expect(entry.hasPrefix("- name: here\n"))
      let file = "coordinator:\n\(entry)workers:\n\(entry)"
      let plan = try withHosts(file) { path in
        try ConclaveCommand.run([
          "plan", Fixtures.demoModel, "--hosts", path, "--context", "1024", "--json",
        ]).json()
      }
      #expect(plan["fits"] as? Bool == true)
      let host = try ConclaveCommand.run(["worker", "--describe", "--json"]).json()
      for field in ["memoryBytes", "readBytesPerSecond", "integerProductsPerSecond"] {
        #expect((host[field] as? Double ?? 0) > 0, "\(field)")
      }
    }

    @Test func `what was recorded places experts, and changes no token`() throws {
      let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).trace").path
      defer { try? FileManager.default.removeItem(atPath: path) }
      let call = [
        "generate", Fixtures.demoModel, "--chat", "--prompt", "What is 551 + 56?", "--json",
      ]
      let alone = try ConclaveCommand.run(call + ["--record-routing", path])
      #expect(alone.errors.contains("\(path): the experts of "))
      let spread = try ConclaveCommand.run(call + ["--workers", "3", "--routing-trace", path])
      #expect(spread.status == 0, "\(spread.errors)")
      #expect(try alone.json()["tokens"] as? [Int] == spread.json()["tokens"] as? [Int])
      let other = Fixtures.path("gguf/v2-lite-like.gguf")
      let refusal = try ConclaveCommand.failure([
        "generate", other, "--tokens", "1", "--workers", "2", "--routing-trace", path,
      ])
      #expect(refusal.contains("was recorded with another model"))
      let garbage = try ConclaveCommand.failure([
        "generate", other, "--tokens", "1", "--workers", "2", "--routing-trace", other,
      ])
      #expect(garbage.contains("this is no routing recording"))
    }

    @Test func `a simulation answers everybody, the same way twice`() throws {
      try withHosts(Self.hosts) { path in
        let call = [
          "simulate", "deepseek-v2-lite", "--layers", "4", "--hosts", path, "--requests", "20",
          "--rate", "2", "--lose", "2@3s", "--late-share", "0.01", "--json",
        ]
        let first = try ConclaveCommand.output(call)
        #expect(try first == ConclaveCommand.output(call))
        let report = try #require(
          JSONSerialization.jsonObject(with: first) as? [String: Any])
        #expect(report["requests"] as? Int == 20)
        let workers = try #require(report["workers"] as? [[String: Any]])
        #expect(workers.map { $0["lost"] as? Bool } == [false, true, false, false])
      }
    }
  }
}
