import DeepSeek
import Experts
import Foundation
import Kernels
import ModelFiles
import Tensors
import TestSupport
import Testing

@Suite("Loading a model")
struct LoadingTests {
  static let wrong = [
    "block-count-huge.gguf":
      "deepseek2.block_count is 2147483648, not in 1...1024; use another model file",
    "head-count-0.gguf": "attention.head_count is 0, not in 1...4096; use another model file",
    "experts-used-exceed.gguf": "expert_used_count is 9, not in 1...4; use another model file",
    "negative-width.gguf": "embedding_length is -8, not in 1...1048576; use another model file",
    "missing-tensor.gguf": "ffn_up_exps.weight",
    "shape-transposed.gguf": "attn_output.weight",
    "st-config-layers-huge":
      "num_hidden_layers is 1099511627776, not in 1...1024; use another model file",
  ]

  @Test("a model that its file contradicts is refused at once", arguments: wrong.keys.sorted())
  func hostile(name: String) throws {
    let archive = try ModelArchive.open(Fixtures.path("hostile/\(name)"))
    let start = ContinuousClock.now
    let error = #expect(throws: (any Error).self) { try Self.load(archive) }
    #expect(ContinuousClock.now - start < .seconds(1))
    let text = "\(try #require(error))"
    #expect(!text.contains("\n"))
    #expect(text.contains(name))
    #expect(text.contains(try #require(Self.wrong[name])))
  }

  @Test("the valid twins of the malformed files load", arguments: ["control.gguf", "st-control"])
  func controls(name: String) throws {
    try Self.load(ModelArchive.open(Fixtures.path("hostile/\(name)")))
  }

  private static func load(_ archive: ModelArchive) throws {
    _ = try DeepSeekModel(archive, kernels: Kernels(team: ThreadTeam(threads: 1)), maxStepRows: 8)
  }

  @Test("a vocabulary without weights is refused")
  func vocabularyOnly() throws {
    let path = Fixtures.path("tokenizer/ggml-vocab-deepseek-llm.gguf")
    let archive = try ModelArchive.open(path)
    #expect(throws: ModelError.vocabularyOnly(file: path)) { try Self.load(archive) }
  }

  @Test("progress rises to 1")
  func progress() throws {
    let archive = try ModelArchive.open(Fixtures.path("gguf/blocks-of-32/Q8_0.gguf"))
    var shares: [Double] = []
    _ = try DeepSeekModel(
      archive, kernels: Kernels(team: ThreadTeam(threads: 2)), maxStepRows: 4
    ) { shares.append($0) }
    #expect(shares == shares.sorted() && shares.last == 1)
  }

  @Test("tokens outside the vocabulary and full caches are errors, and leave the cache as it was")
  func steps() throws {
    let loaded = try LoadedModel(Fixtures.path("models/llm-like"))
    let cache = try loaded.model.makeCache(capacity: 4)
    #expect(throws: ModelError.badToken(token: 145, vocabularySize: 145)) {
      try loaded.run([([1, 145], cache)])
    }
    #expect(throws: ModelError.badToken(token: -1, vocabularySize: 145)) {
      try loaded.run([([-1], cache)])
    }
    #expect(throws: ModelError.cacheFull(capacity: 4)) {
      try loaded.run([([1, 2, 3, 4, 5], cache)])
    }
    #expect(cache.length == 0)
    _ = try loaded.run([([1, 2, 3, 4], cache)])
    #expect(cache.length == 4)
  }

  @Test("a cache takes address space, not memory, and an impossible one is an error")
  func caches() throws {
    let loaded = try LoadedModel(Fixtures.path("models/v2-lite-like"))
    let cache = try loaded.model.makeCache(capacity: 1 << 30)  // 500 GB in three layers
    _ = try loaded.run([([1, 2, 3], cache)])
    #expect(throws: ModelError.self) { try loaded.model.makeCache(capacity: .max / 8) }
  }

  @Test("a failing backend leaves the cache as it was, and the step can be run again")
  func failingBackend() throws {
    struct Lost: Error {}
    final class Failing: ExpertBackend {
      let geometry: ExpertGeometry
      init(_ geometry: ExpertGeometry) { self.geometry = geometry }
      func dispatch(
        _ batch: borrowing RoutedBatch, layer: LayerIndex
      ) throws -> DispatchTicket { throw Lost() }
      func combine(_ ticket: DispatchTicket, into sum: inout FloatMatrix) throws {}
    }
    let loaded = try LoadedModel(Fixtures.path("models/v2-lite-like"))
    let expected = try loaded.logits([1, 2, 3])
    let cache = try loaded.model.makeCache(capacity: 8)
    var step = StepBatch()
    step.append([1, 2, 3].span, to: cache, wanted: .all)
    let catalog = try #require(loaded.model.catalog)
    var logits = FloatMatrix(rows: 3, columns: loaded.vocabularySize)
    #expect(throws: Lost.self) {
      try loaded.model.forward(step, experts: Failing(catalog.geometry), logits: &logits)
    }
    #expect(cache.length == 0)
    #expect(bits(try loaded.run(step)) == bits(expected))
  }
}
