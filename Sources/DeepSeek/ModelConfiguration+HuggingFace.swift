extension ModelConfiguration {
  /// Reads config.json of `deepseek_v2`, `deepseek_v3`, `kimi_k2` or `llama`, in either style.
  ///
  /// Nested objects are reached with a dot: `rope_scaling.factor`.
  package init(huggingFace settings: Settings, rule: RoutingRule) throws(ModelError) {
    let keys = HuggingFaceKeys(settings: settings)
    let family = try keys.family()
    architecture = family.name
    try keys.refuseBiases()
    hiddenSize = try settings.integer("hidden_size", in: SettingLimits.width)
    layerCount = try settings.integer("num_hidden_layers", in: SettingLimits.layers)
    vocabularySize = try settings.integer("vocab_size", in: SettingLimits.vocabulary)
    contextLength =
      try settings.optionalInteger("max_position_embeddings", in: SettingLimits.context) ?? 2048
    attention = family.isLatent ? try keys.latentAttention() : try keys.groupedQueryAttention()
    mixture =
      family.isLatent
      ? try keys.mixture(layerCount: layerCount, isV3: family.isV3, rule: rule) : nil
    intermediateSize = try settings.integer("intermediate_size", in: SettingLimits.width)
    rotary = try keys.rotary(contextLength: contextLength)
    normEpsilon = Float(try settings.optionalPositive("rms_norm_eps") ?? 1e-6)
    // The published code builds the inner norms without the setting, so they keep the default.
    innerNormEpsilon = 1e-6
    tiesEmbeddings = try settings.optionalBool("tie_word_embeddings") ?? false
  }
}

private struct HuggingFaceKeys {
  let settings: Settings

  struct Family {
    let name: String
    let isLatent: Bool
    let isV3: Bool
  }

  func family() throws(ModelError) -> Family {
    guard let name = try settings.optionalString("model_type") else {
      throw settings.missing("model_type")
    }
    switch name {
    case "deepseek_v2": return Family(name: name, isLatent: true, isV3: false)
    case "deepseek_v3", "kimi_k2": return Family(name: name, isLatent: true, isV3: true)
    case "llama": return Family(name: name, isLatent: false, isV3: false)
    default: throw .unsupportedArchitecture(file: settings.file, name: name)
    }
  }

  func refuseBiases() throws(ModelError) {
    for key in ["attention_bias", "mlp_bias"] where try settings.optionalBool(key) == true {
      throw settings.bad(key, "is true, but models of this family have no biases")
    }
    let activation = try settings.optionalString("hidden_act") ?? "silu"
    guard activation == "silu" else {
      throw settings.bad("hidden_act", "is \(activation), not silu")
    }
  }

  func latentAttention() throws(ModelError) -> AttentionDesign {
    let rope = try settings.integer("qk_rope_head_dim", in: SettingLimits.width)
    guard rope % 2 == 0 else { throw settings.bad("qk_rope_head_dim", "is \(rope), not even") }
    return .latent(
      LatentAttentionShape(
        headCount: try settings.integer("num_attention_heads", in: SettingLimits.heads),
        queryLoraRank: try settings.optionalInteger("q_lora_rank", in: SettingLimits.width),
        kvLoraRank: try settings.integer("kv_lora_rank", in: SettingLimits.width),
        nopeHeadSize: try settings.integer("qk_nope_head_dim", in: SettingLimits.width),
        ropeHeadSize: rope,
        valueHeadSize: try settings.integer("v_head_dim", in: SettingLimits.width)))
  }

  func groupedQueryAttention() throws(ModelError) -> AttentionDesign {
    let heads = try settings.integer("num_attention_heads", in: SettingLimits.heads)
    let kvHeads =
      try settings.optionalInteger("num_key_value_heads", in: SettingLimits.heads) ?? heads
    let hiddenSize = try settings.integer("hidden_size", in: SettingLimits.width)
    let size =
      try settings.optionalInteger("head_dim", in: SettingLimits.width) ?? (hiddenSize / heads)
    guard heads % kvHeads == 0 else {
      throw settings.bad(
        "num_key_value_heads", "is \(kvHeads), which does not divide \(heads) heads")
    }
    guard size > 0, size % 2 == 0 else {
      throw settings.bad("num_attention_heads", "is \(heads), so that the head size is not even")
    }
    return .groupedQuery(
      GroupedQueryShape(
        headCount: heads, kvHeadCount: kvHeads, headSize: size, pairing: .halfSplit))
  }

  /// `rope_parameters` (transformers 5), or `rope_theta` beside `rope_scaling`.
  func rotary(contextLength: Int) throws(ModelError) -> RotaryConfiguration {
    let group = settings.has("rope_parameters") ? "rope_parameters" : "rope_scaling"
    let baseKey = settings.has("\(group).rope_theta") ? "\(group).rope_theta" : "rope_theta"
    let base = try settings.optionalPositive(baseKey) ?? 10000
    guard base > 1 else { throw settings.bad(baseKey, "is \(base), not above 1") }
    return RotaryConfiguration(
      base: base, scaling: try scaling(group, contextLength: contextLength))
  }

  private func scaling(
    _ group: String, contextLength: Int
  ) throws(ModelError) -> RotaryConfiguration.Scaling {
    guard settings.has(group) else { return .none }
    let typeKey = settings.has("\(group).rope_type") ? "\(group).rope_type" : "\(group).type"
    let type = try settings.optionalString(typeKey) ?? "default"
    switch type {
    case "default", "none": return .none
    case "linear": return .linear(factor: try factor(group))
    case "yarn": return .yarn(try yarn(group, contextLength: contextLength))
    default: throw settings.bad(typeKey, "is \(type), not default, linear or yarn")
    }
  }

  private func factor(_ group: String) throws(ModelError) -> Double {
    let key = "\(group).factor"
    guard let factor = try settings.optionalPositive(key) else { throw settings.missing(key) }
    return factor
  }

  private func yarn(_ group: String, contextLength: Int) throws(ModelError) -> YarnScaling {
    let original = try settings.optionalInteger(
      "\(group).original_max_position_embeddings", in: SettingLimits.context)
    var yarn = YarnScaling(
      factor: try factor(group), originalContext: Double(original ?? contextLength))
    yarn.betaFast = try settings.optionalPositive("\(group).beta_fast") ?? 32
    yarn.betaSlow = try settings.optionalPositive("\(group).beta_slow") ?? 1
    yarn.mscale = try settings.optionalFloat("\(group).mscale")
    yarn.mscaleAllDim = try settings.optionalFloat("\(group).mscale_all_dim")
    yarn.attentionFactor = try settings.optionalPositive("\(group).attention_factor")
    return yarn
  }

  func mixture(
    layerCount: Int, isV3: Bool, rule: RoutingRule
  ) throws(ModelError) -> MixtureOfExperts? {
    guard
      let experts = try settings.optionalInteger("n_routed_experts", in: SettingLimits.experts)
    else { return nil }
    if let frequency = try settings.optionalInteger("moe_layer_freq", in: SettingLimits.layers),
      frequency != 1
    {
      throw settings.bad("moe_layer_freq", "is \(frequency); only 1 is supported")
    }
    let first =
      try settings.optionalInteger(
        "first_k_dense_replace", in: 0...SettingLimits.layers.upperBound) ?? 0
    guard first < layerCount else { return nil }
    let mostUsed = min(experts, SettingLimits.expertsPerToken.upperBound)
    let used = try settings.integer("num_experts_per_tok", in: 1...mostUsed)
    return MixtureOfExperts(
      expertCount: experts, expertsPerToken: used,
      sharedExpertCount: try settings.optionalInteger("n_shared_experts", in: 0...experts) ?? 0,
      expertIntermediateSize: try settings.integer(
        "moe_intermediate_size", in: SettingLimits.width),
      firstLayer: first,
      routing: try routing(experts: experts, used: used, isV3: isV3, rule: rule))
  }

  private func routing(
    experts: Int, used: Int, isV3: Bool, rule: RoutingRule
  ) throws(ModelError) -> RoutingMethod {
    let scoring = try scoring(isV3: isV3)
    let topK =
      try settings.optionalString("topk_method") ?? (isV3 ? "noaux_tc" : "greedy")
    guard ["greedy", "group_limited_greedy", "noaux_tc"].contains(topK) else {
      throw settings.bad(
        "topk_method", "is \(topK), not greedy, group_limited_greedy or noaux_tc")
    }
    let groups =
      topK == "greedy" ? 1 : try settings.optionalInteger("n_group", in: 1...experts) ?? 1
    let selected = try settings.optionalInteger("topk_group", in: 1...experts) ?? 1
    var method = RoutingMethod(scoring: scoring)
    method.usesSelectionBias = topK == "noaux_tc"
    method.groupCount = groups
    method.selectedGroupCount = groups > 1 ? selected : 1
    method.groupScore = topK == "noaux_tc" || rule == .llamaCpp ? .twoBest : .best
    method.normalizesWeights = try settings.optionalBool("norm_topk_prob") ?? isV3
    method.weightScale = Float(try settings.optionalFloat("routed_scaling_factor") ?? 1)
    if let problem = method.problem(experts: experts, used: used) {
      throw settings.bad("n_group", problem)
    }
    if let problem = method.normalizationProblem(rule: rule) {
      throw settings.bad("norm_topk_prob", problem)
    }
    return method
  }

  private func scoring(isV3: Bool) throws(ModelError) -> RoutingMethod.Scoring {
    let name = try settings.optionalString("scoring_func") ?? (isV3 ? "sigmoid" : "softmax")
    switch name {
    case "softmax": return .softmax
    case "sigmoid": return .sigmoid
    default: throw settings.bad("scoring_func", "is \(name), not softmax or sigmoid")
    }
  }
}
