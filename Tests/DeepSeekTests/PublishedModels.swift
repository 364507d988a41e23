import DeepSeek

/// Settings of published models as their config.json has them (SPEC 1.1).
enum PublishedModels {
  static let v2: [String: Setting] = [
    "model_type": .string("deepseek_v2"), "vocab_size": .integer(102400),
    "hidden_size": .integer(5120), "num_hidden_layers": .integer(60),
    "num_attention_heads": .integer(128), "q_lora_rank": .integer(1536),
    "kv_lora_rank": .integer(512), "qk_nope_head_dim": .integer(128),
    "qk_rope_head_dim": .integer(64), "v_head_dim": .integer(128),
    "n_routed_experts": .integer(160), "num_experts_per_tok": .integer(6),
    "n_shared_experts": .integer(2), "n_group": .integer(8), "topk_group": .integer(3),
    "topk_method": .string("group_limited_greedy"), "scoring_func": .string("softmax"),
    "norm_topk_prob": .bool(false), "routed_scaling_factor": .float(16),
    "moe_intermediate_size": .integer(1536), "intermediate_size": .integer(12288),
    "first_k_dense_replace": .integer(1), "moe_layer_freq": .integer(1),
    "rope_theta": .integer(10000), "max_position_embeddings": .integer(163840),
    "rms_norm_eps": .float(1e-6), "tie_word_embeddings": .bool(false),
  ].merging(yarn(factor: 40, mscale: 1, betaFast: 32)) { $1 }

  static let v2Lite = v2.merging([
    "hidden_size": .integer(2048), "num_hidden_layers": .integer(27),
    "num_attention_heads": .integer(16), "q_lora_rank": .null,
    "n_routed_experts": .integer(64), "n_group": .integer(1), "topk_group": .integer(1),
    "topk_method": .string("greedy"), "routed_scaling_factor": .float(1),
    "moe_intermediate_size": .integer(1408), "intermediate_size": .integer(10944),
  ]) { $1 }.merging(yarn(factor: 40, mscale: 0.707, betaFast: 32)) { $1 }

  static let v3 = v2.merging([
    "model_type": .string("deepseek_v3"), "vocab_size": .integer(129280),
    "hidden_size": .integer(7168), "num_hidden_layers": .integer(61),
    "n_routed_experts": .integer(256), "num_experts_per_tok": .integer(8),
    "n_shared_experts": .integer(1), "topk_group": .integer(4),
    "topk_method": .string("noaux_tc"), "scoring_func": .string("sigmoid"),
    "norm_topk_prob": .bool(true), "routed_scaling_factor": .float(2.5),
    "moe_intermediate_size": .integer(2048), "intermediate_size": .integer(18432),
    "first_k_dense_replace": .integer(3),
  ]) { $1 }

  static let kimiK2 = v3.merging([
    "model_type": .string("kimi_k2"), "vocab_size": .integer(163840),
    "num_attention_heads": .integer(64), "n_routed_experts": .integer(384),
    "n_group": .integer(1), "topk_group": .integer(1), "first_k_dense_replace": .integer(1),
    "routed_scaling_factor": .float(2.827), "rope_theta": .float(50000),
  ]) { $1 }.merging(yarn(factor: 32, mscale: 1, betaFast: 1)) { $1 }

  static let moonlight = v2Lite.merging([
    "model_type": .string("deepseek_v3"), "vocab_size": .integer(163840),
    "topk_method": .string("noaux_tc"), "scoring_func": .string("sigmoid"),
    "norm_topk_prob": .bool(true), "routed_scaling_factor": .float(2.446),
    "intermediate_size": .integer(11264), "rope_theta": .float(50000), "rope_scaling": .null,
    "rms_norm_eps": .float(1e-5),
  ]) { $1 }

  static let coder6B: [String: Setting] = [
    "model_type": .string("llama"), "vocab_size": .integer(32256),
    "hidden_size": .integer(4096), "num_hidden_layers": .integer(32),
    "num_attention_heads": .integer(32), "num_key_value_heads": .integer(32),
    "intermediate_size": .integer(11008), "rope_theta": .integer(100000),
    "rope_scaling": .other, "rope_scaling.type": .string("linear"),
    "rope_scaling.factor": .float(4), "max_position_embeddings": .integer(16384),
    "rms_norm_eps": .float(1e-6),
  ]

  static func yarn(factor: Double, mscale: Double, betaFast: Int) -> [String: Setting] {
    [
      "rope_scaling": .other, "rope_scaling.type": .string("yarn"),
      "rope_scaling.factor": .float(factor), "rope_scaling.mscale": .float(mscale),
      "rope_scaling.mscale_all_dim": .float(mscale),
      "rope_scaling.beta_fast": .integer(betaFast), "rope_scaling.beta_slow": .integer(1),
      "rope_scaling.original_max_position_embeddings": .integer(4096),
    ]
  }

  static func configuration(
    _ settings: [String: Setting], rule: RoutingRule = .huggingFace
  ) throws -> ModelConfiguration {
    try ModelConfiguration(
      huggingFace: Settings(file: "config.json") { settings[$0] }, rule: rule)
  }

  /// GGUF metadata of DeepSeek-V2 in the new layout (SPEC 4.2).
  static let v2GGUF: [String: Setting] = [
    "general.architecture": .string("deepseek2"), "deepseek2.block_count": .integer(60),
    "deepseek2.context_length": .integer(163840), "deepseek2.embedding_length": .integer(5120),
    "deepseek2.feed_forward_length": .integer(12288), "deepseek2.vocab_size": .integer(102400),
    "deepseek2.attention.head_count": .integer(128),
    "deepseek2.attention.head_count_kv": .integer(1),
    "deepseek2.attention.key_length": .integer(576),
    "deepseek2.attention.value_length": .integer(512),
    "deepseek2.attention.key_length_mla": .integer(192),
    "deepseek2.attention.value_length_mla": .integer(128),
    "deepseek2.attention.q_lora_rank": .integer(1536),
    "deepseek2.attention.kv_lora_rank": .integer(512),
    "deepseek2.attention.layer_norm_rms_epsilon": .float(1e-6),
    "deepseek2.rope.dimension_count": .integer(64), "deepseek2.rope.freq_base": .float(10000),
    "deepseek2.rope.scaling.type": .string("yarn"), "deepseek2.rope.scaling.factor": .float(40),
    "deepseek2.rope.scaling.original_context_length": .integer(4096),
    "deepseek2.rope.scaling.yarn_log_multiplier": .float(0.1),
    "deepseek2.leading_dense_block_count": .integer(1), "deepseek2.expert_count": .integer(160),
    "deepseek2.expert_used_count": .integer(6), "deepseek2.expert_shared_count": .integer(2),
    "deepseek2.expert_feed_forward_length": .integer(1536),
    "deepseek2.expert_weights_scale": .float(16),
  ]

  static func configuration(
    gguf settings: [String: Setting], rule: RoutingRule = .huggingFace, biased: Bool = false
  ) throws -> ModelConfiguration {
    try ModelConfiguration(gguf: Settings(file: "model.gguf") { settings[$0] }, rule: rule) {
      name in biased && name.hasSuffix("exp_probs_b.bias") ? [1] : nil
    }
  }
}
