import Foundation
import TestSupport
import Testing

extension ClusterTests {
  /// The JSON fields that other programs rely on, and known answers of the demo model.
  @Suite struct Contract {
    private func object(_ arguments: [String], input: String = "") throws -> [String: Any] {
      let ended = try ConclaveCommand.run(arguments + ["--json"], input: input)
      try #require(ended.status == 0, "\(ended.errors)")
      return try ended.json()
    }

    @Test func `inspect names what a model is made of`() throws {
      let model = try object(["inspect", Fixtures.demoModel])
      #expect(model["architecture"] as? String == "deepseek2")
      #expect(model["layers"] as? Int == 6)
      #expect(model["experts"] as? Int == 24)
      let parameters = try #require(model["parameters"] as? Int)
      let routed = try #require(model["routedParameters"] as? Int)
      #expect(routed == 5 * 24 * 3 * 256 * 64)
      #expect((8_900_000...9_000_000).contains(parameters))
    }

    @Test func `tokenize gives ids that generate takes`() throws {
      let call = ["tokenize", Fixtures.demoModel]
      let text = "What is 551 + 56?"
      let with = try object(call, input: text)
      let without = try object(call + ["--no-bos"], input: text)
      let tokens = try #require(with["tokens"] as? [Int])
      #expect(without["tokens"] as? [Int] == Array(tokens.dropFirst()))
      let plain = try ConclaveCommand.run(call, input: text)
      #expect(plain.text == tokens.map(String.init).joined(separator: ",") + "\n")
    }

    @Test func `logits has a row for each position`() throws {
      let result = try object([
        "logits", Fixtures.path("gguf/v2-lite-like.gguf"), "--tokens", "1,2,3",
      ])
      let rows = try #require(result["logits"] as? [[Double]])
      #expect(rows.count == 3)
      #expect(Set(rows.map(\.count)).count == 1)
    }

    @Test(arguments: ["gguf/v2-236b-like.gguf", "models/v2-236b-like", "models/v3-fp8-like"])
    func `logits are the reference's`(model: String) throws {
      let name = try #require(model.split(separator: "/").last).prefix { $0 != "." }
      let data = try Fixtures.data("models/\(name)/reference.json")
      let reference = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
      let tokens = try #require(reference["tokens"] as? [Int])
      let list = tokens.map(String.init).joined(separator: ",")
      let result = try object(["logits", Fixtures.path(model), "--tokens", list])
      let found = try #require(result["logits"] as? [[Double]]).joined().map { Float($0) }
      let expected = try Fixtures.floats("models/\(name)/logits.f32")
      try #require(found.count == expected.count)
      let largest = zip(found, expected).map { abs($0 - $1) }.max() ?? 0
      let scale = max(1, (expected.map(abs).max() ?? 0) / 4)
      #expect(largest <= 1e-4 * scale, "\(largest)")
    }

    @Test(arguments: [
      ("What is 551 + 56?", "607"), ("What is a mixture of experts?", "expert"),
      ("Spell the word melon.", "m"),
    ])
    func `known questions have known answers`(question: String, answer: String) throws {
      let result = try object([
        "generate", Fixtures.demoModel, "--chat", "--prompt", question, "--max-tokens", "80",
      ])
      let text = try #require(result["text"] as? String)
      #expect(text.contains(answer))
      #expect((result["tokens"] as? [Int])?.isEmpty == false)
      #expect((result["promptTokens"] as? Int ?? 0) > 5)
      #expect((result["prefillTokensPerSecond"] as? Double ?? 0) > 0)
      #expect((result["decodeTokensPerSecond"] as? Double ?? 0) > 0)
    }

    /// An answer's first space is the model's way to begin a word; a line does not start with it.
    @Test func `plain text and JSON agree`() throws {
      let call = ["generate", Fixtures.demoModel, "--chat", "--prompt", "What is 6 + 540?"]
      let text = try #require(try object(call)["text"] as? String)
      #expect(try ConclaveCommand.run(call).text == text.trimmingPrefix(" ") + "\n")
    }

    @Test func `perplexity of held-out text is the reference's`() throws {
      let file = Fixtures.path("demo-model/heldout_stories.txt")
      let result = try object([
        "perplexity", Fixtures.demoModel, "--file", file, "--window", "255", "--workers", "2",
      ])
      let perplexity = try #require(result["perplexity"] as? Double)
      #expect(abs(perplexity / 2.220_525_7 - 1) < 0.01)
      #expect(result["tokens"] as? Int == 9619)
    }

    @Test func `latency reports every link and size`() throws {
      let result = try object([
        "latency", "--workers", "2", "--sizes", "1KiB,16KiB", "--count", "50",
      ])
      let links = try #require(result["links"] as? [[String: Any]])
      #expect(links.count == 4)
      for link in links {
        #expect(link["worker"] is String)
        let percentiles = ["p50", "p90", "p99", "max"].compactMap { link[$0] as? Double }
        #expect(percentiles.count == 4)
        #expect(percentiles == percentiles.sorted())
        #expect((percentiles.first ?? 0) > 0)
      }
      #expect(Set(links.compactMap { $0["payloadBytes"] as? Int }) == [1024, 16384])
    }

    @Test func `latency says more of each link, and the same in other forms`() throws {
      let folder = FileManager.default.temporaryDirectory.appending(path: "latency-\(UUID())")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(at: folder) }
      let saved = folder.appending(path: "saved.json").path
      let page = folder.appending(path: "page.html").path
      let call = ["latency", "--workers", "1", "--sizes", "1KiB", "--count", "30"]
      let result = try object(call + ["--save", saved, "--html", page])
      let link = try #require((result["links"] as? [[String: Any]])?.first)
      for field in ["p999", "jitter", "interval", "mean"] { #expect(link[field] is Double) }
      #expect(link["over"] as? String == "zeromq")
      for field in ["tcp", "curve", "out", "back"] {
        #expect((link[field] as? [String: Any])?["p50"] is Double, "\(field)")
      }
      let worker = try #require((result["workers"] as? [[String: Any]])?.first)
      let bound = try #require(worker["clockErrorBound"] as? Double)
      // A worker of this machine has the same clock.
      #expect(abs(try #require(worker["clockOffset"] as? Double)) <= bound)
      #expect(worker["retransmitsOut"] is Int)
      let again = try ConclaveCommand.run(call + ["--baseline", saved, "--save", saved, "--csv"])
      #expect(again.status == 0)
      let lines = again.text.split(separator: "\n")
      #expect(lines.first?.hasPrefix("kind,worker,label,payloadBytes,over,") == true)
      #expect(lines.count == 10)
      #expect(again.errors.contains("changed beyond noise"))
      let html = try String(contentsOfFile: page, encoding: .utf8)
      #expect(html.contains("const report = {\"measuredAt\":"))
      #expect(html.matches(of: /(src|href)=/).isEmpty, "the page needs nothing else")
    }

    /// The largest of 30 values was taken for a bound of their 99th percentile, which it is not.
    @Test func `latency claims a change of percentiles only where samples suffice`() throws {
      let saved = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).json")
      defer { try? FileManager.default.removeItem(at: saved) }
      let call = ["latency", "--workers", "1", "--sizes", "1KiB", "--count", "30"]
      _ = try object(call + ["--save", saved.path])
      // As if all round trips had taken a microsecond.
      var file = try #require(
        JSONSerialization.jsonObject(with: Data(contentsOf: saved)) as? [String: Any])
      let names = try #require(file["series"] as? [String: Any]).keys
      file["series"] = Dictionary(
        uniqueKeysWithValues: names.map {
          ($0, ["runs": [["p50": 1000, "p99": 1000]], "counts": [[1000, 30]]] as [String: Any])
        })
      try JSONSerialization.data(withJSONObject: file).write(to: saved)
      let result = try object(call + ["--baseline", saved.path])
      let changes = try #require(result["changes"] as? [[String: Any]])
      #expect(!changes.isEmpty)
      #expect(changes.allSatisfy { $0["percentile"] as? Double == 50 })
    }

    @Test func `latency follows tokens through a model`() throws {
      let result = try object([
        "latency", Fixtures.demoModel, "--workers", "2", "--sizes", "64", "--count", "5",
        "--prompt-tokens", "16", "--generate-tokens", "6",
      ])
      let trace = try #require(result["trace"] as? [String: Any])
      for (kind, steps) in [("decode", 6), ("prefill", 3)] {
        let part = try #require(trace[kind] as? [String: Any])
        #expect((part["steps"] as? [String: Any])?["count"] as? Int == steps)
        let path = try #require(part["path"] as? [String: Double])
        let mean = try #require((part["steps"] as? [String: Any])?["mean"] as? Double)
        #expect(abs(path.values.reduce(0, +) / mean - 1) < 0.01, "the parts are the whole")
        let words = try #require(part["words"] as? [String])
        #expect(words.count == 4)
        #expect(
          words.dropFirst().allSatisfy { $0.hasPrefix("layer ") && $0.contains(" waits for ") })
        let layers = try #require(part["layers"] as? [[String: Any]])
        #expect(!layers.isEmpty)
      }
    }

    @Test func `bench gives medians and spread`() throws {
      let result = try object([
        "bench", Fixtures.demoModel, "--prompt-tokens", "64", "--generate-tokens", "16",
        "--repetitions", "3",
      ])
      for field in ["prefillTokensPerSecond", "decodeTokensPerSecond"] {
        let rate = try #require(result[field] as? [String: Any])
        let values = ["minimum", "median", "maximum"].compactMap { rate[$0] as? Double }
        #expect(values.count == 3)
        #expect(values == values.sorted())
      }
    }

    @Test func `bench sweeps prompts, batches and depths, and breaks a step down`() throws {
      let result = try object([
        "bench", Fixtures.demoModel, "--prompt-tokens", "16,48", "--generate-tokens", "4",
        "--batch", "1,3", "--depth", "0,100", "--repetitions", "2", "--breakdown",
        "--workers", "1",
      ])
      func numbers(_ list: String, _ key: String) -> [Int] {
        ((result[list] as? [[String: Any]]) ?? []).compactMap { $0[key] as? Int }
      }
      #expect(numbers("prompts", "promptTokens") == [16, 48])
      #expect(numbers("batches", "sequences") == [1, 3])
      #expect(numbers("depths", "depth") == [0, 100])
      let step = try #require(result["step"] as? [String: Any])
      let parts = try #require(step["parts"] as? [[String: Any]])
      let times = parts.compactMap { $0["microseconds"] as? Double }
      #expect(parts.count == 8 && times.count == 8)
      let whole = try #require(step["microseconds"] as? Double)
      #expect(abs(times.reduce(0, +) - whole) < 0.01 * whole)
      let text = try #require(result["text"] as? [String: Any])
      #expect(text["vocabulary"] as? Int == 2048)
      #expect(text["shareGreedy"] is Double)
    }

    @Test func `bench-kernels compares kernels with ceilings`() throws {
      let result = try object([
        "bench-kernels", "--formats", "q4_k,f32", "--working-set", "1MiB", "--rows", "1,5",
        "--kernels", "scalar", "--threads", "2",
      ])
      let ceilings = try #require(result["ceilings"] as? [String: Any])
      #expect((ceilings["readBytesPerSecond"] as? Double ?? 0) > 0)
      let formats = try #require(result["formats"] as? [[String: Any]])
      #expect(formats.compactMap { $0["format"] as? String } == ["Q4_K", "F32"])
      for format in formats {
        #expect((format["memoryBytesPerSecond"] as? Double ?? 0) > 0)
        let products = try #require(format["products"] as? [[String: Any]])
        #expect(products.compactMap { $0["rows"] as? Int } == [1, 5])
        #expect(products.allSatisfy { ($0["perSecond"] as? Double ?? 0) > 0 })
      }
    }

    @Test func `bench-attention compares formats, heads and contexts`() throws {
      let result = try object([
        "bench-attention", "--heads", "3,16", "--contexts", "70", "--rows", "2",
        "--milliseconds", "1", "--threads", "2",
      ])
      let speeds = try #require(result["attention"] as? [[String: Any]])
      #expect(
        speeds.compactMap { $0["format"] as? String }
          == ["f32", "f32", "f16", "f16", "int8", "int8"])
      #expect(speeds.compactMap { $0["heads"] as? Int } == [3, 16, 3, 16, 3, 16])
      #expect(speeds.allSatisfy { ($0["operationsPerSecond"] as? Double ?? 0) > 0 })
      let spaced = try object([
        "bench-attention", "--heads", "3", "16", "--contexts", "70", "--milliseconds", "1",
      ])
      let heads = try #require(spaced["attention"] as? [[String: Any]])
      #expect(heads.compactMap { $0["heads"] as? Int } == [3, 16, 3, 16, 3, 16])
    }

    @Test func `the format of keys and values decides the logits, and what they take`() throws {
      let tokens = (1...70).map(String.init).joined(separator: ",")
      let logits = try ["f32", "f16", "int8"].map { format in
        try ConclaveCommand.run([
          "logits", Fixtures.demoModel, "--tokens", tokens, "--kv-format", format, "--json",
        ]).output
      }
      #expect(Set(logits).count == 3)
      let usual = try ConclaveCommand.run([
        "logits", Fixtures.demoModel, "--tokens", tokens, "--json",
      ])
      #expect(usual.output == logits[1])
      let memory = try #require(
        try object(["inspect", Fixtures.demoModel])["memory"] as? [String: Any])
      let bytes = try #require(memory["cacheBytesPerTokenByFormat"] as? [String: Int])
      let (whole, half) = (try #require(bytes["f32"]), try #require(bytes["f16"]))
      #expect(whole == 2 * half)
      #expect(try #require(bytes["int8"]) < half)
    }

    @Test func `a synthesized model runs`() throws {
      let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).gguf").path
      defer { try? FileManager.default.removeItem(atPath: path) }
      #expect(
        try ConclaveCommand.run([
          "synthesize", "deepseek-coder-1.3b", path, "--layers", "1", "--quantization", "q4_0",
        ]).status == 0)
      let result = try object(["generate", path, "--tokens", "1,2,3", "--max-tokens", "2"])
      #expect((result["tokens"] as? [Int])?.isEmpty == false)
    }

    @Test func `chat keeps a conversation without a terminal`() throws {
      let input =
        "My name is Bruno.\nWhat is my name?\n/reset\n/nonsense\nWhat is 6 + 540?\n/exit\n"
      let ended = try ConclaveCommand.run(
        ["chat", Fixtures.demoModel, "--temperature", "0"], input: input)
      #expect(ended.status == 0)
      let answers = ended.text.split(separator: "\n")
      #expect(answers.count == 3)
      #expect(answers.dropFirst().first?.contains("Bruno") == true)
      #expect(answers.last?.contains("546") == true)
      #expect(ended.errors.contains("/nonsense"))
    }

    @Test func `the demo answers three questions and sums up`() throws {
      let ended = try ConclaveCommand.run(["demo"], environment: ["NO_COLOR": "1"])
      #expect(ended.status == 0, "\(ended.errors)")
      let text = ended.text
      #expect(text.contains("What is a mixture of experts?"))
      #expect(text.contains("607"))
      for word in ["tokens/s", "p50", "p99", "worker 0", "worker 1", "experts"] {
        #expect(text.contains(word), "\(word)")
      }
      #expect(!text.contains("\u{1B}"))
    }
  }
}
