import DeepSeek
import Kernels
import TestSupport
import Testing

/// The same bytes however a model is run: chunks, batches, threads, instruction sets.
@Suite("One answer")
struct OneAnswerTests {
  static let models = [
    Fixtures.path("models/v2-236b-like"), Fixtures.path("models/v3-fp8-like"),
    Fixtures.path("models/llm-like"), Fixtures.path("models/moonlight-like"),
    Fixtures.path("gguf/k-quants-3-layers/Q4_K_M.gguf"),
    Fixtures.path("gguf/k-quants-2-layers/IQ4_XS.gguf"),
    Fixtures.path("gguf/k-quants-2-layers/Q5_K_M.gguf"),
    Fixtures.path("gguf/blocks-of-32/Q4_0.gguf"), Fixtures.path("gguf/v2-236b-like-old.gguf"),
    Fixtures.demoModel,
  ]

  static let tokens: [Int32] = (0..<100).map { Int32($0 * 37 % 128) }

  @Test("prefill in one step, in several, and token by token", arguments: models, KVFormat.allCases)
  func chunks(path: String, format: KVFormat) throws {
    let loaded = try LoadedModel(path, maxStepRows: 100, kvFormat: format)
    let whole = bits(try loaded.logits(Self.tokens, chunk: 100))
    for chunk in [64, 33, 7, 1] {
      #expect(bits(try loaded.logits(Self.tokens, chunk: chunk)) == whole, "chunks of \(chunk)")
    }
  }

  @Test(
    "a sequence longer than one part of attention",
    arguments: [Fixtures.path("models/llm-like"), Fixtures.path("models/v2-lite-like")],
    KVFormat.allCases)
  func long(path: String, format: KVFormat) throws {
    let tokens = (0..<1100).map { Int32($0 * 31 % 101) }
    let whole = try LoadedModel(path, maxStepRows: 512, kvFormat: format)
    let expected = bits(try whole.logits(tokens, chunk: 512))
    let pieces = try LoadedModel(path, threads: 2, maxStepRows: 300, kvFormat: format)
    #expect(bits(try pieces.logits(tokens, chunk: 300)) == expected)
    let last = try LoadedModel(path, variant: .scalar, kvFormat: format)
    let cache = try last.model.makeCache(capacity: 1100)
    for start in stride(from: 0, to: 1024, by: 64) {
      _ = try last.run([(Array(tokens[start..<start + 64]), cache)])
    }
    var tail: [Float] = []
    for token in tokens[1024...] { tail += try last.run([([token], cache)]) }
    #expect(bits(tail) == Array(expected.suffix(tail.count)))
  }

  @Test("a sequence alone and among others", arguments: models, KVFormat.allCases)
  func batches(path: String, format: KVFormat) throws {
    let loaded = try LoadedModel(path, maxStepRows: 100, kvFormat: format)
    let vocabulary = loaded.vocabularySize
    let alone = bits(try loaded.logits(Array(Self.tokens.prefix(20))))

    let first = try loaded.model.makeCache(capacity: 40)
    let second = try loaded.model.makeCache(capacity: 40)
    let third = try loaded.model.makeCache(capacity: 40)
    // Before, between and after rows of others, prefill and decode mixed.
    let start = try loaded.run([
      ([5, 6, 7], second), (Array(Self.tokens.prefix(12)), first), ([9], third),
    ])
    let middle = try loaded.run([
      (Array(Self.tokens[12..<13]), first), (Array(Self.tokens.reversed().prefix(30)), second),
    ])
    let end = try loaded.run([([1, 2], third), (Array(Self.tokens[13..<20]), first)])
    let together =
      start[3 * vocabulary..<15 * vocabulary] + middle[..<vocabulary] + end[(2 * vocabulary)...]
    #expect(bits(Array(together)) == alone)
  }

  @Test("any number of threads and every kernel variant", arguments: models, KVFormat.allCases)
  func machines(path: String, format: KVFormat) throws {
    let one = try LoadedModel(path, threads: 1, kvFormat: format)
    let expected = bits(try one.logits(Self.tokens))
    for variant in KernelVariant.available {
      for threads in [1, 2, 3] {
        let loaded = try LoadedModel(path, variant: variant, threads: threads, kvFormat: format)
        let logits = bits(try loaded.logits(Self.tokens))
        #expect(logits == expected, "\(variant) with \(threads) threads")
      }
    }
  }

  @Test(
    "a truncated sequence continues as if it had never been longer", arguments: models,
    KVFormat.allCases)
  func truncation(path: String, format: KVFormat) throws {
    let loaded = try LoadedModel(path, kvFormat: format)
    let expected = bits(try loaded.logits(Array(Self.tokens.prefix(30))))
    let cache = try loaded.model.makeCache(capacity: 64)
    let start = try loaded.run([(Array(Self.tokens.prefix(20)), cache)])
    _ = try loaded.run([([3, 1, 4, 1, 5, 9], cache)])
    cache.truncate(to: 20)
    let end = try loaded.run([(Array(Self.tokens[20..<30]), cache)])
    #expect(bits(start + end) == expected)
    #expect(cache.length == 30)
  }

  @Test("only wanted rows yield logits, and they are the same")
  func wanted() throws {
    let loaded = try LoadedModel(Fixtures.path("gguf/blocks-of-32/Q8_0.gguf"))
    let all = try loaded.logits(Array(Self.tokens.prefix(10)))
    let (one, two) = (
      try loaded.model.makeCache(capacity: 10), try loaded.model.makeCache(capacity: 10)
    )
    var step = StepBatch()
    step.append(Array(Self.tokens.prefix(4)).span, to: one, wanted: .none)
    step.append(Array(Self.tokens.prefix(10)).span, to: two, wanted: .last)
    let last = try loaded.run(step)
    #expect(bits(last) == bits(Array(all.suffix(loaded.vocabularySize))))
    #expect(one.length == 4 && two.length == 10)
  }
}
