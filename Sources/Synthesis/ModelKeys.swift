internal import ModelFiles

extension GGUFBlueprint {
  /// Adds the keys that describe the model, as converters write them.
  mutating func describe(_ geometry: Geometry, _ quantization: Quantization) {
    let isDense = geometry.experts == nil
    let prefix = isDense ? "llama" : "deepseek2"
    set("general.architecture", string: prefix)
    set("general.type", string: "model")
    set("general.name", string: "\(geometry.name) geometry, random weights")
    set("general.quantization_version", u32: 2)
    set("general.file_type", u32: quantization.fileType)
    set("\(prefix).block_count", u32: geometry.layerCount)
    set("\(prefix).context_length", u32: geometry.contextLength)
    set("\(prefix).embedding_length", u32: geometry.hiddenSize)
    set("\(prefix).feed_forward_length", u32: geometry.intermediateSize)
    set("\(prefix).vocab_size", u32: geometry.vocabularySize)
    set("\(prefix).attention.layer_norm_rms_epsilon", f32: geometry.normEpsilon)
    describe(geometry.attention, prefix, layers: geometry.layerCount)
    describe(geometry.rotary, prefix)
    guard let experts = geometry.experts else { return }
    set("\(prefix).leading_dense_block_count", u32: geometry.denseLayerCount)
    describe(experts, prefix)
  }

  private mutating func describe(
    _ attention: AttentionGeometry, _ prefix: String, layers: Int
  ) {
    switch attention {
    case .latent(let heads, let queryRank, let rank, let nope, let rope, let value):
      set("\(prefix).attention.head_count", u32: heads)
      set("\(prefix).attention.head_count_kv", u32: 1)
      set("\(prefix).attention.key_length", u32: rank + rope)
      set("\(prefix).attention.value_length", u32: rank)
      set("\(prefix).attention.key_length_mla", u32: nope + rope)
      set("\(prefix).attention.value_length_mla", u32: value)
      set("\(prefix).attention.kv_lora_rank", u32: rank)
      set("\(prefix).rope.dimension_count", u32: rope)
      // llama.cpp takes 26 or 27 layers for "no query compression" and wants the key otherwise;
      // it accepts 0 for none.
      if queryRank != nil || (layers != 26 && layers != 27) {
        set("\(prefix).attention.q_lora_rank", u32: queryRank ?? 0)
      }
    case .grouped(let heads, let keyValueHeads, let headSize):
      set("\(prefix).attention.head_count", u32: heads)
      set("\(prefix).attention.head_count_kv", u32: keyValueHeads)
      set("\(prefix).rope.dimension_count", u32: headSize)
    }
  }

  private mutating func describe(_ rotary: RotaryGeometry, _ prefix: String) {
    set("\(prefix).rope.freq_base", f32: rotary.theta)
    let scaling = "\(prefix).rope.scaling"
    switch rotary.scaling {
    case .none: break
    case .linear(let factor):
      set("\(scaling).type", string: "linear")
      set("\(scaling).factor", f32: factor)
    case .yarn(let factor, let original, let logMultiplier, let betaFast, let betaSlow):
      set("\(scaling).type", string: "yarn")
      set("\(scaling).factor", f32: factor)
      set("\(scaling).original_context_length", u32: original)
      set("\(scaling).yarn_log_multiplier", f32: logMultiplier)
      set("\(scaling).yarn_beta_fast", f32: betaFast)
      set("\(scaling).yarn_beta_slow", f32: betaSlow)
    }
  }

  private mutating func describe(_ experts: ExpertsGeometry, _ prefix: String) {
    set("\(prefix).expert_count", u32: experts.count)
    set("\(prefix).expert_used_count", u32: experts.used)
    set("\(prefix).expert_shared_count", u32: experts.shared)
    set("\(prefix).expert_feed_forward_length", u32: experts.intermediateSize)
    set("\(prefix).expert_weights_scale", f32: experts.scale)
    set("\(prefix).expert_weights_norm", bool: experts.usesSigmoid)
    set("\(prefix).expert_gating_func", u32: experts.usesSigmoid ? 2 : 1)
    guard let groups = experts.groups else { return }
    set("\(prefix).expert_group_count", u32: groups.count)
    set("\(prefix).expert_group_used_count", u32: groups.used)
  }
}
