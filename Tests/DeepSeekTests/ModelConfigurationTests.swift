import DeepSeek
import Kernels
import Testing

@Suite("Model configuration")
struct ModelConfigurationTests {
  @Test("derived sizes are those of the specification")
  func derivedSizes() throws {
    let v2 = try PublishedModels.configuration(PublishedModels.v2)
    #expect(v2.parametersPerExpert == 23_592_960)
    #expect(v2.routedParameters == 9440 * 23_592_960)
    #expect(v2.attention.cachedElementsPerPosition == 576)
    #expect(CacheLayout(v2.attention, format: .float32).tile.columns == 576)
    #expect(v2.cacheBytesPerToken(.float32) == 138_240)
    #expect(v2.cacheBytesPerToken(.float16) == 69_120)
    #expect(v2.cacheBytesPerToken(.int8) == 36_720)
    let lite = try PublishedModels.configuration(PublishedModels.v2Lite)
    #expect(lite.parametersPerExpert == 8_650_752)
    #expect(lite.routedParameters == 1664 * 8_650_752)
    let v3 = try PublishedModels.configuration(PublishedModels.v3)
    #expect(v3.routedParameters == 14848 * 44_040_192)
    let kimi = try PublishedModels.configuration(PublishedModels.kimiK2)
    #expect(kimi.routedParameters == 23040 * 44_040_192)
  }

  @Test("V2, V3, Moonlight and dense models get their routing and attention")
  func designs() throws {
    let v2 = try PublishedModels.configuration(PublishedModels.v2)
    #expect(v2.feedForward(layer: 0) == .dense(intermediateSize: 12288))
    let routing = try #require(v2.mixture?.routing)
    #expect(routing.groupCount == 8 && routing.selectedGroupCount == 3)
    #expect(routing.groupScore == .best && routing.scoring == .softmax)
    #expect(!routing.normalizesWeights && routing.weightScale == 16)
    #expect(!routing.usesSelectionBias)

    let v3 = try PublishedModels.configuration(PublishedModels.v3)
    #expect(v3.feedForward(layer: 2) == .dense(intermediateSize: 18432))
    #expect(v3.mixture?.routing.groupScore == .twoBest)
    #expect(v3.mixture?.routing.usesSelectionBias == true)

    let moonlight = try PublishedModels.configuration(PublishedModels.moonlight)
    #expect(moonlight.normEpsilon == 1e-5 && moonlight.innerNormEpsilon == 1e-6)
    #expect(moonlight.rotary.scaling == .none)

    let coder = try PublishedModels.configuration(PublishedModels.coder6B)
    #expect(coder.mixture == nil && coder.rotary.scaling == .linear(factor: 4))
    guard case .groupedQuery(let shape) = coder.attention else {
      Issue.record("not grouped-query attention")
      return
    }
    #expect(shape.headSize == 128 && shape.pairing == .halfSplit)
  }

  @Test("config.json of transformers 5 reads like the classic one")
  func bothStyles() throws {
    var settings = PublishedModels.v3
    settings["topk_method"] = nil
    settings["scoring_func"] = nil
    settings["head_dim"] = .integer(64)
    settings["num_nextn_predict_layers"] = .integer(1)
    settings["rope_parameters"] = .other
    settings["rope_parameters.rope_theta"] = .float(10000)
    settings["rope_theta"] = nil
    for (key, value) in settings where key.hasPrefix("rope_scaling") {
      settings[key] = nil
      settings[key.replacing("rope_scaling", with: "rope_parameters")] = value
    }
    settings["rope_parameters.type"] = nil
    settings["rope_parameters.rope_type"] = .string("yarn")
    let classic = try PublishedModels.configuration(PublishedModels.v3)
    #expect(try PublishedModels.configuration(settings) == classic)
  }

  @Test("GGUF and config.json describe the same V2")
  func gguf() throws {
    let json = try PublishedModels.configuration(PublishedModels.v2)
    let gguf = try PublishedModels.configuration(gguf: PublishedModels.v2GGUF)
    #expect(gguf.attention == json.attention)
    #expect(abs(gguf.attentionScale - json.attentionScale) < 1e-9)
    #expect(gguf.mixture == json.mixture)  // groups 8/3 are implied by 160 softmax experts
    #expect(gguf.layerCount == 60 && gguf.tiesEmbeddings)
  }

  @Test("old GGUF lengths mean the same attention")
  func oldLayout() throws {
    var settings = PublishedModels.v2GGUF
    settings["deepseek2.attention.key_length_mla"] = nil
    settings["deepseek2.attention.value_length_mla"] = nil
    settings["deepseek2.attention.key_length"] = .integer(192)
    settings["deepseek2.attention.value_length"] = .integer(128)
    settings["deepseek2.attention.head_count_kv"] = .integer(128)
    let new = try PublishedModels.configuration(gguf: PublishedModels.v2GGUF)
    #expect(try PublishedModels.configuration(gguf: settings) == new)
  }

  @Test("llama.cpp's rule scores groups by two experts and implies none")
  func llamaCppRule() throws {
    let bare = try PublishedModels.configuration(gguf: PublishedModels.v2GGUF, rule: .llamaCpp)
    #expect(bare.mixture?.routing.groupCount == 1)
    var settings = PublishedModels.v2GGUF
    settings["deepseek2.expert_group_count"] = .integer(8)
    settings["deepseek2.expert_group_used_count"] = .integer(3)
    let grouped = try PublishedModels.configuration(gguf: settings, rule: .llamaCpp)
    #expect(grouped.mixture?.routing.groupScore == .twoBest)
    #expect(grouped.mixture?.routing.selectedGroupCount == 3)
  }

  @Test("multi-token-prediction layers are not counted")
  func predictors() throws {
    var settings = PublishedModels.v2GGUF
    settings["deepseek2.nextn_predict_layers"] = .integer(1)
    #expect(try PublishedModels.configuration(gguf: settings).layerCount == 59)
  }

  static let wrong: [(String, Setting?, String)] = [
    (
      "deepseek2.block_count", .integer(1 << 31),
      "deepseek2.block_count is 2147483648, not in 1...1024; use another model file"
    ),
    (
      "deepseek2.attention.head_count", .integer(0),
      "deepseek2.attention.head_count is 0, not in 1...4096; use another model file"
    ),
    (
      "deepseek2.embedding_length", .integer(-8),
      "deepseek2.embedding_length is -8, not in 1...1048576; use another model file"
    ),
    (
      "deepseek2.expert_used_count", .integer(161),
      "deepseek2.expert_used_count is 161, not in 1...64; use another model file"
    ),
    (
      "deepseek2.expert_group_count", .integer(7),
      "deepseek2.expert_group_count is 7, which does not divide 160 experts; "
        + "use another model file"
    ),
    (
      "deepseek2.rope.dimension_count", .integer(200),
      "deepseek2.attention.key_length_mla is 192, which does not fit rope.dimension_count 200; "
        + "use another model file"
    ),
    (
      "deepseek2.rope.scaling.type", .string("longrope"),
      "deepseek2.rope.scaling.type is longrope, not none, linear or yarn; use another model file"
    ),
    (
      "deepseek2.attention.kv_lora_rank", nil,
      "deepseek2.attention.kv_lora_rank is missing; "
        + "convert the model again with a current converter"
    ),
    (
      "deepseek2.context_length", .string("many"),
      "deepseek2.context_length is not an integer; use another model file"
    ),
    (
      "deepseek2.attention.layer_norm_rms_epsilon", .float(.nan),
      "deepseek2.attention.layer_norm_rms_epsilon is not a finite number; use another model file"
    ),
    (
      "general.architecture", .string("wombat"),
      "architecture wombat is not supported; use a DeepSeek V2, V3 or Llama model file"
    ),
  ]

  @Test("a wrong setting is refused in one line", arguments: wrong)
  func refusals(key: String, value: Setting?, message: String) {
    var settings = PublishedModels.v2GGUF
    settings[key] = value
    let error = #expect(throws: ModelError.self) {
      try PublishedModels.configuration(gguf: settings)
    }
    #expect(error?.description == "model.gguf: " + message)
  }

  @Test("normalised softmax weights are refused, except by llama.cpp's rule")
  func normalisedSoftmax() throws {
    var settings = PublishedModels.v2
    settings["norm_topk_prob"] = .bool(true)
    #expect(throws: ModelError.self) { try PublishedModels.configuration(settings) }
    let model = try PublishedModels.configuration(settings, rule: .llamaCpp)
    #expect(model.mixture?.routing.normalizesWeights == true)
  }
}
