extension ModelConfiguration {
  /// Reads GGUF metadata of architecture `deepseek2` or `llama`.
  ///
  /// `shape` gives the row-major shape of a tensor by name, nil when the file lacks it.
  package init(
    gguf settings: Settings, rule: RoutingRule, shape: (String) -> [Int]?
  ) throws(ModelError) {
    guard let architecture = try settings.optionalString("general.architecture") else {
      throw settings.missing("general.architecture")
    }
    let keys = GGUFKeys(settings: settings, prefix: architecture)
    switch architecture {
    case "deepseek2": attention = try keys.latentAttention(shape: shape)
    case "llama": attention = try keys.groupedQueryAttention()
    default: throw .unsupportedArchitecture(file: settings.file, name: architecture)
    }
    self.architecture = architecture
    let names = WeightNames.gguf
    hiddenSize = try keys.integer("embedding_length", in: SettingLimits.width)
    layerCount = try keys.layerCount()
    contextLength = try keys.integer("context_length", in: SettingLimits.context)
    if let rows = shape(names.embedding)?.first {
      vocabularySize = rows
    } else {
      vocabularySize = try keys.integer("vocab_size", in: SettingLimits.vocabulary)
    }
    mixture = try keys.mixture(
      layerCount: layerCount, hasBias: { shape(names.routerBias($0)) != nil }, rule: rule)
    intermediateSize = try keys.denseIntermediateSize(
      isUsed: mixture.map { $0.firstLayer > 0 } ?? true)
    rotary = try keys.rotary(contextLength: contextLength)
    let epsilon = try keys.epsilon()
    normEpsilon = epsilon
    innerNormEpsilon = epsilon
    tiesEmbeddings = shape(names.head) == nil
  }
}

/// The settings under one architecture's prefix.
private struct GGUFKeys {
  let settings: Settings
  let prefix: String

  func key(_ name: String) -> String { "\(prefix).\(name)" }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(ModelError) -> Int {
    try settings.integer(key(name), in: range)
  }

  func optionalInteger(_ name: String, in range: ClosedRange<Int>) throws(ModelError) -> Int? {
    try settings.optionalInteger(key(name), in: range)
  }

  func layerCount() throws(ModelError) -> Int {
    let blocks = try integer("block_count", in: SettingLimits.layers)
    let predictors = try optionalInteger("nextn_predict_layers", in: 0...(blocks - 1)) ?? 0
    return blocks - predictors
  }

  func epsilon() throws(ModelError) -> Float {
    let name = key("attention.layer_norm_rms_epsilon")
    guard let epsilon = try settings.optionalPositive(name) else { throw settings.missing(name) }
    return Float(epsilon)
  }

  func denseIntermediateSize(isUsed: Bool) throws(ModelError) -> Int {
    if isUsed { return try integer("feed_forward_length", in: SettingLimits.width) }
    return try optionalInteger("feed_forward_length", in: SettingLimits.width) ?? 0
  }

  /// Lengths are those of the expanded heads in old files, and have `_mla` twins in new ones.
  func latentAttention(shape: (String) -> [Int]?) throws(ModelError) -> AttentionDesign {
    let rope = try integer("rope.dimension_count", in: SettingLimits.width)
    let keyName =
      settings.has(key("attention.key_length_mla"))
      ? "attention.key_length_mla" : "attention.key_length"
    let valueName =
      settings.has(key("attention.value_length_mla"))
      ? "attention.value_length_mla" : "attention.value_length"
    let keyLength = try integer(keyName, in: SettingLimits.width)
    guard keyLength > rope, rope % 2 == 0 else {
      throw settings.bad(
        key(keyName), "is \(keyLength), which does not fit rope.dimension_count \(rope)")
    }
    // The projection that the file has decides; the key alone is written by some converters.
    let isDirect = shape(WeightNames.gguf.query(0)) != nil
    return .latent(
      LatentAttentionShape(
        headCount: try integer("attention.head_count", in: SettingLimits.heads),
        queryLoraRank: isDirect
          ? nil : try optionalInteger("attention.q_lora_rank", in: SettingLimits.width),
        kvLoraRank: try integer("attention.kv_lora_rank", in: SettingLimits.width),
        nopeHeadSize: keyLength - rope, ropeHeadSize: rope,
        valueHeadSize: try integer(valueName, in: SettingLimits.width)))
  }

  func groupedQueryAttention() throws(ModelError) -> AttentionDesign {
    let heads = try integer("attention.head_count", in: SettingLimits.heads)
    let kvHeads = try optionalInteger("attention.head_count_kv", in: SettingLimits.heads) ?? heads
    let hiddenSize = try integer("embedding_length", in: SettingLimits.width)
    let size =
      try optionalInteger("attention.key_length", in: SettingLimits.width) ?? (hiddenSize / heads)
    let rope = try optionalInteger("rope.dimension_count", in: SettingLimits.width) ?? size
    guard heads % kvHeads == 0 else {
      throw settings.bad(
        key("attention.head_count_kv"), "is \(kvHeads), which does not divide \(heads) heads")
    }
    guard rope == size, size > 0, size % 2 == 0 else {
      throw settings.bad(
        key("rope.dimension_count"), "is \(rope), not the even head size \(size)")
    }
    return .groupedQuery(
      GroupedQueryShape(
        headCount: heads, kvHeadCount: kvHeads, headSize: size, pairing: .interleaved))
  }

  func rotary(contextLength: Int) throws(ModelError) -> RotaryConfiguration {
    let base = try settings.optionalPositive(key("rope.freq_base")) ?? 10000
    guard base > 1 else { throw settings.bad(key("rope.freq_base"), "is \(base), not above 1") }
    return RotaryConfiguration(base: base, scaling: try scaling(contextLength: contextLength))
  }

  private func scaling(contextLength: Int) throws(ModelError) -> RotaryConfiguration.Scaling {
    let type = try settings.optionalString(key("rope.scaling.type")) ?? "none"
    let factor = try settings.optionalPositive(key("rope.scaling.factor"))
    switch type {
    case "none": return .none
    case "linear": return .linear(factor: factor ?? 1)
    case "yarn": return .yarn(try yarn(factor: factor ?? 1, contextLength: contextLength))
    default: throw settings.bad(key("rope.scaling.type"), "is \(type), not none, linear or yarn")
    }
  }

  /// `yarn_log_multiplier` is 0.1 · mscale_all_dim; `mscale` is not stored and taken to be equal.
  ///
  /// Without the multiplier the published rule for models without mscale settings applies.
  private func yarn(factor: Double, contextLength: Int) throws(ModelError) -> YarnScaling {
    let original = try optionalInteger(
      "rope.scaling.original_context_length", in: SettingLimits.context)
    var yarn = YarnScaling(factor: factor, originalContext: Double(original ?? contextLength))
    yarn.betaFast = try settings.optionalPositive(key("rope.scaling.yarn_beta_fast")) ?? 32
    yarn.betaSlow = try settings.optionalPositive(key("rope.scaling.yarn_beta_slow")) ?? 1
    if let multiplier = try settings.optionalFloat(key("rope.scaling.yarn_log_multiplier")) {
      yarn.mscale = 10 * multiplier
      yarn.mscaleAllDim = 10 * multiplier
    }
    let extrapolation = try settings.optionalFloat(key("rope.scaling.yarn_ext_factor")) ?? 1
    guard extrapolation == 1 || extrapolation < 0 else {
      throw settings.bad(
        key("rope.scaling.yarn_ext_factor"), "is \(extrapolation); only 1 is supported")
    }
    for name in ["rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"] {
      guard let factor = try settings.optionalPositive(key(name)), factor != 1 else { continue }
      yarn.attentionFactor = yarn.amplitude * factor
    }
    return yarn
  }

  func mixture(
    layerCount: Int, hasBias: (Int) -> Bool, rule: RoutingRule
  ) throws(ModelError) -> MixtureOfExperts? {
    let limit = 0...SettingLimits.experts.upperBound
    guard let experts = try optionalInteger("expert_count", in: limit), experts > 0 else {
      return nil
    }
    guard prefix == "deepseek2" else {
      throw settings.bad(key("expert_count"), "is \(experts), but \(prefix) models are dense")
    }
    let first =
      try optionalInteger("leading_dense_block_count", in: 0...SettingLimits.layers.upperBound)
      ?? 0
    guard first < layerCount else { return nil }
    let mostUsed = min(experts, SettingLimits.expertsPerToken.upperBound)
    let used = try integer("expert_used_count", in: 1...mostUsed)
    return MixtureOfExperts(
      expertCount: experts, expertsPerToken: used,
      sharedExpertCount: try optionalInteger("expert_shared_count", in: 0...experts) ?? 0,
      expertIntermediateSize: try integer("expert_feed_forward_length", in: SettingLimits.width),
      firstLayer: first,
      routing: try routing(
        experts: experts, used: used, hasBias: hasBias(first), rule: rule))
  }

  private func routing(
    experts: Int, used: Int, hasBias: Bool, rule: RoutingRule
  ) throws(ModelError) -> RoutingMethod {
    let function = try optionalInteger("expert_gating_func", in: 0...255) ?? 0
    guard function <= 2 else {
      throw settings.bad(
        key("expert_gating_func"), "is \(function), not 1 (softmax) or 2 (sigmoid)")
    }
    let scoring: RoutingMethod.Scoring = function == 2 ? .sigmoid : .softmax
    let implied = RoutingMethod.impliedGroups(experts: experts, scoring: scoring, rule: rule)
    let groups = try optionalInteger("expert_group_count", in: 0...experts) ?? implied.count
    let selected =
      try optionalInteger("expert_group_used_count", in: 0...max(groups, 1)) ?? implied.selected
    let scale = try settings.optionalFloat(key("expert_weights_scale")) ?? 1
    var method = RoutingMethod(scoring: scoring)
    method.usesSelectionBias = hasBias
    method.groupCount = max(groups, 1)
    method.selectedGroupCount = groups > 1 ? selected : 1
    method.groupScore = scoring == .sigmoid || rule == .llamaCpp ? .twoBest : .best
    method.normalizesWeights = try settings.optionalBool(key("expert_weights_norm")) ?? false
    method.weightScale = scale == 0 ? 1 : Float(scale)
    if let problem = method.problem(experts: experts, used: used) {
      throw settings.bad(key("expert_group_count"), problem)
    }
    if let problem = method.normalizationProblem(rule: rule) {
      throw settings.bad(key("expert_weights_norm"), problem)
    }
    return method
  }
}
