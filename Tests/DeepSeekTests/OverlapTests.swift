import DeepSeek
import TestSupport
import Testing

/// A step in parts gives the bits of the whole one.
@Suite struct OverlapTests {
  private static let models = [
    Fixtures.path("models/v2-236b-like"), Fixtures.path("models/v3-fp8-like"),
    Fixtures.path("models/llm-like"), Fixtures.path("models/coder-v1-like"),
    Fixtures.path("gguf/k-quants-3-layers/Q4_K_M.gguf"),
    Fixtures.path("gguf/k-quants-2-layers/IQ4_XS.gguf"), Fixtures.demoModel,
  ]
  private static let tokens: [Int32] = (0..<100).map { Int32($0 * 37 % 128) }

  @Test(arguments: models, [Overlap.fixed(2), .fixed(3), .fixed(4), .automatic])
  func `a prompt in any chunks`(path: String, overlap: Overlap) throws {
    let expected = try LoadedModel(path, maxStepRows: 100).logits(Self.tokens, chunk: 100)
    let loaded = try LoadedModel(path, threads: 2, maxStepRows: 100, overlap: overlap)
    for chunk in [100, 65, 7, 2, 1] {
      #expect(bits(try loaded.logits(Self.tokens, chunk: chunk)) == bits(expected))
    }
  }

  /// Parts end in the midst of sequences, and some have no wanted row.
  @Test(arguments: models, [Overlap.fixed(2), .fixed(4)])
  func `prompts and answers together`(path: String, overlap: Overlap) throws {
    func logits(_ overlap: Overlap) throws -> [[Float]] {
      let loaded = try LoadedModel(path, overlap: overlap)
      let caches = try (0..<9).map { _ in try loaded.model.makeCache(capacity: 64) }
      var results: [[Float]] = []
      for round in 0..<5 {
        var step = StepBatch()
        for (index, cache) in caches.enumerated() where (index + round) % 4 != 0 {
          let count = index == 3 ? 20 - 4 * round : 1 + index % 2 * round
          let first = (index * 5 + round) % 70
          step.append(
            Self.tokens.span.extracting(first..<first + count), to: cache,
            wanted: [.last, .all, .none][(index + round) % 3])
        }
        results.append(try loaded.run(step))
      }
      return results
    }
    #expect(try logits(overlap).map(bits) == logits(.off).map(bits))
  }

  @Test func `an observed step is run whole`() throws {
    let loaded = try LoadedModel(Self.models[0], overlap: .fixed(2))
    let recorder = Recorder()
    loaded.model.observer = recorder
    _ = try loaded.logits(Array(Self.tokens.prefix(10)))
    #expect(recorder.experts.values.allSatisfy { $0.count == 10 })
  }
}

/// When a step is run in parts.
@Suite struct OverlapTunerTests {
  private func run(
    _ tuner: inout OverlapTuner, steps: Int, rows: Int = 8, whole: Double, parts: Double,
    waited: Double = 0.5
  ) -> Int {
    var splitCount = 0
    for _ in 0..<steps {
      let isSplit = tuner.splits(rows: rows)
      splitCount += isSplit ? 1 : 0
      tuner.record(
        rows: rows, isSplit: isSplit, seconds: isSplit ? parts : whole, waited: waited * whole)
    }
    return splitCount
  }

  @Test func `the faster way is kept to`() {
    var near = OverlapTuner()
    #expect(run(&near, steps: 1000, whole: 1, parts: 1.3) < 20)
    var far = OverlapTuner()
    #expect(run(&far, steps: 1000, whole: 1, parts: 0.7) > 980)
    #expect(run(&far, steps: 100, rows: 1, whole: 1, parts: 0.5) == 0, "one row has no parts")
  }

  @Test func `it is not tried where nothing is waited for`() {
    var tuner = OverlapTuner()
    #expect(run(&tuner, steps: 500, whole: 1, parts: 0.1, waited: 0.01) == 0)
  }

  @Test func `it notices when links change`() {
    var tuner = OverlapTuner()
    #expect(run(&tuner, steps: 100, whole: 1, parts: 1.2) < 10)
    #expect(run(&tuner, steps: 400, whole: 1, parts: 0.6) > 200)
    #expect(run(&tuner, steps: 400, whole: 1, parts: 1.2) < 200)
  }
}
