import Foundation
import TestSupport
import Testing

extension ClusterTests {
  /// The promise of one answer, by comparing bytes.
  ///
  /// The answer is a function of the model, the numerics profile, the prompt, the sampling
  /// parameters and the seed, and of nothing else.
  @Suite struct OneAnswer {
    struct Model: CustomTestStringConvertible {
      let name: String
      let path: String
      let tokens: [Int]

      var testDescription: String { name }
      var tokenList: String { tokens.map(String.init).joined(separator: ",") }

      init(_ name: String, vocabulary: Int, count: Int = 40) {
        self.name = name
        path = name == "demo" ? Fixtures.demoModel : Fixtures.path("gguf/\(name)")
        var state: UInt64 = 17
        tokens = (0..<count).map { _ in
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          return Int((state >> 33) % UInt64(vocabulary))
        }
      }
    }

    static let models = [
      Model("v2-236b-like.gguf", vocabulary: 100), Model("v2-lite-like.gguf", vocabulary: 100),
      Model("blocks-of-32/Q8_0.gguf", vocabulary: 128),
      Model("k-quants-3-layers/Q4_K_M.gguf", vocabulary: 128),
      Model("k-quants-2-layers/Q6_K.gguf", vocabulary: 128), Model("demo", vocabulary: 2000),
    ]

    /// Everything that may not matter.
    static let variations: [[String]] =
      [1, 2, 3, 5].map { ["--workers", "\($0)"] }
      + [["--threads", "1"], ["--threads", "2"], ["--workers", "2", "--threads", "2"]]
      + [1, 7, 16].map { ["--step-tokens", "\($0)"] }
      + [["--workers", "2", "--step-tokens", "5"]]
      + [
        ["1"], ["3"], ["3", "--replicas", "2", "--verify-fraction", "1"], ["2", "--overlap", "2"],
        ["2", "--step-tokens", "5", "--kernels", "scalar"],
      ].map { ["--shared-experts", "workers", "--workers"] + $0 }
      + variants.flatMap { [["--kernels", $0], ["--kernels", $0, "--workers", "2"]] }

    /// The kernel variants that this machine has.
    static let variants: [String] = ["scalar", "avx2", "avx512", "neon"].filter { variant in
      let probe = ["logits", Fixtures.path("hostile/control.gguf"), "--tokens", "1"]
      return (try? ConclaveCommand.run(probe + ["--kernels", variant]))?.status == 0
    }

    @Test(arguments: models)
    func `logits are the same bytes however they are computed`(model: Model) throws {
      let call = ["logits", model.path, "--tokens", model.tokenList, "--json"]
      let expected = try ConclaveCommand.output(call)
      #expect(expected.count > 1000)
      for variation in Self.variations {
        let found = try ConclaveCommand.output(call + variation)
        #expect(found == expected, "\(model.name) with \(variation.joined(separator: " "))")
      }
    }

    @Test func `whoever computes shared experts says so, or why not`() throws {
      let call = ["logits", Fixtures.demoModel, "--tokens", "1,2,3", "--json"]
      let expected = try ConclaveCommand.output(call)
      let auto = try ConclaveCommand.run(call + ["--workers", "2", "--shared-experts", "auto"])
      #expect(auto.output == expected)
      #expect(
        auto.errorLines.contains(
          "shared experts stay on the coordinator: the workers share its memory"))
      let nobody = try ConclaveCommand.run(call + ["--shared-experts", "workers"])
      #expect(nobody.status == 64)
      #expect(nobody.errorLines.contains { $0.contains("--shared-experts workers needs workers") })
    }

    @Test(arguments: models)
    func `a greedy and a seeded answer are the same tokens`(model: Model) throws {
      let prompt = ["generate", model.path, "--tokens", model.tokenList, "--max-tokens", "12"]
      for sampling in [["--temperature", "0"], ["--temperature", "0.9", "--seed", "7"]] {
        let expected = try answer(prompt + sampling)
        for variation in [["--workers", "2"], ["--workers", "3", "--threads", "1"]] {
          let found = try answer(prompt + sampling + variation)
          #expect(found == expected, "\(model.name) with \(sampling + variation)")
        }
      }
    }

    private func answer(_ call: [String]) throws -> String {
      let object = try ConclaveCommand.run(call + ["--json"]).json()
      return "\(try #require(object["text"])) \(try #require(object["tokens"]))"
    }

    @Test func `a dense model accepts workers, says that they stay idle, and answers the same`()
      throws
    {
      let call = [
        "logits", Fixtures.path("gguf/llm-like.gguf"), "--tokens", "1,2,3,4,5", "--json",
      ]
      let alone = try ConclaveCommand.run(call)
      let joined = try ConclaveCommand.run(call + ["--workers", "2"])
      #expect(joined.status == 0)
      #expect(joined.output == alone.output)
      #expect(joined.errorLines.filter { $0.contains("idle") }.count == 1)
    }
  }
}
