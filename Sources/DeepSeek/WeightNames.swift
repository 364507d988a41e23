/// How one checkpoint format spells the tensors of the trunk; the only place that knows.
///
/// Spellings of routed experts belong to the `Experts` target.
struct WeightNames: Sendable {
  /// Before the layer's number, including the separator.
  private let layerPrefix: String
  private let spelling: Spelling

  /// Token embedding, (vocabulary, hiddenSize).
  var embedding: String { spelling.embedding }
  /// Norm before the head, (hiddenSize).
  var finalNorm: String { spelling.finalNorm }
  /// Output head, (vocabulary, hiddenSize); absent when it is the embedding.
  var head: String { spelling.head }

  private func name(_ layer: Int, _ part: String) -> String { "\(layerPrefix)\(layer).\(part)" }

  /// Norm before attention, (hiddenSize).
  func attentionNorm(_ layer: Int) -> String { name(layer, spelling.attentionNorm) }
  /// Norm before the feed-forward part, (hiddenSize).
  func feedForwardNorm(_ layer: Int) -> String { name(layer, spelling.feedForwardNorm) }

  /// Query projection without compression, (heads · queryHeadSize, hiddenSize).
  func query(_ layer: Int) -> String { name(layer, spelling.query) }
  /// Compression of the query, (queryLoraRank, hiddenSize).
  func queryDown(_ layer: Int) -> String { name(layer, spelling.queryDown) }
  /// Norm of the compressed query, (queryLoraRank).
  func queryDownNorm(_ layer: Int) -> String { name(layer, spelling.queryDownNorm) }
  /// Compressed query to heads, (heads · queryHeadSize, queryLoraRank).
  func queryUp(_ layer: Int) -> String { name(layer, spelling.queryUp) }
  /// Latent vector and shared rotary key, (kvLoraRank + ropeHeadSize, hiddenSize).
  func latent(_ layer: Int) -> String { name(layer, spelling.latent) }
  /// Norm of the latent vector, (kvLoraRank).
  func latentNorm(_ layer: Int) -> String { name(layer, spelling.latentNorm) }
  /// Latent to keys and values, (heads · (nopeHeadSize + valueHeadSize), kvLoraRank).
  func keyValueUp(_ layer: Int) -> String { name(layer, spelling.keyValueUp) }
  /// Latent to keys, transposed, (heads, kvLoraRank, nopeHeadSize); new GGUF files only.
  func keyUpTransposed(_ layer: Int) -> String? {
    spelling.keyUpTransposed.map { name(layer, $0) }
  }
  /// Latent to values, (heads, valueHeadSize, kvLoraRank); new GGUF files only.
  func valueUp(_ layer: Int) -> String? { spelling.valueUp.map { name(layer, $0) } }
  /// Heads to the residual stream, (hiddenSize, heads · valueHeadSize).
  func attentionOutput(_ layer: Int) -> String { name(layer, spelling.attentionOutput) }
  /// Key projection of grouped-query attention, (kvHeads · headSize, hiddenSize).
  func key(_ layer: Int) -> String { name(layer, spelling.key) }
  /// Value projection of grouped-query attention, (kvHeads · headSize, hiddenSize).
  func value(_ layer: Int) -> String { name(layer, spelling.value) }

  /// Gate of a dense layer, (intermediateSize, hiddenSize).
  func gate(_ layer: Int) -> String { name(layer, spelling.gate) }
  /// Up projection of a dense layer, (intermediateSize, hiddenSize).
  func up(_ layer: Int) -> String { name(layer, spelling.up) }
  /// Down projection of a dense layer, (hiddenSize, intermediateSize).
  func down(_ layer: Int) -> String { name(layer, spelling.down) }
  /// Router, (experts, hiddenSize).
  func router(_ layer: Int) -> String { name(layer, spelling.router) }
  /// Bias on the router's scores while choosing, (experts).
  func routerBias(_ layer: Int) -> String { name(layer, spelling.routerBias) }
  /// Gate of the shared experts, (sharedIntermediateSize, hiddenSize).
  func sharedGate(_ layer: Int) -> String { name(layer, spelling.sharedGate) }
  /// Up projection of the shared experts, (sharedIntermediateSize, hiddenSize).
  func sharedUp(_ layer: Int) -> String { name(layer, spelling.sharedUp) }
  /// Down projection of the shared experts, (hiddenSize, sharedIntermediateSize).
  func sharedDown(_ layer: Int) -> String { name(layer, spelling.sharedDown) }

  /// The F32 block scales of an FP8 matrix; safetensors only.
  func blockScales(of matrix: String) -> String { matrix + "_scale_inv" }

  /// Tensors whose presence means a model that this target would compute wrongly.
  var unsupported: [String] { spelling.unsupported }
}

extension WeightNames {
  private struct Spelling: Sendable {
    var embedding, finalNorm, head, attentionNorm, feedForwardNorm: String
    var query, queryDown, queryDownNorm, queryUp, latent, latentNorm, keyValueUp: String
    var keyUpTransposed, valueUp: String?
    var attentionOutput, key, value, gate, up, down, router, routerBias: String
    var sharedGate, sharedUp, sharedDown: String
    var unsupported: [String]
  }

  /// GGUF, architectures `deepseek2` and `llama`.
  static let gguf = WeightNames(
    layerPrefix: "blk.",
    spelling: Spelling(
      embedding: "token_embd.weight", finalNorm: "output_norm.weight", head: "output.weight",
      attentionNorm: "attn_norm.weight", feedForwardNorm: "ffn_norm.weight",
      query: "attn_q.weight", queryDown: "attn_q_a.weight",
      queryDownNorm: "attn_q_a_norm.weight", queryUp: "attn_q_b.weight",
      latent: "attn_kv_a_mqa.weight", latentNorm: "attn_kv_a_norm.weight",
      keyValueUp: "attn_kv_b.weight", keyUpTransposed: "attn_k_b.weight",
      valueUp: "attn_v_b.weight", attentionOutput: "attn_output.weight",
      key: "attn_k.weight", value: "attn_v.weight",
      gate: "ffn_gate.weight", up: "ffn_up.weight", down: "ffn_down.weight",
      router: "ffn_gate_inp.weight", routerBias: "exp_probs_b.bias",
      sharedGate: "ffn_gate_shexp.weight", sharedUp: "ffn_up_shexp.weight",
      sharedDown: "ffn_down_shexp.weight",
      unsupported: ["rope_freqs.weight", "blk.0.attn_q.bias", "blk.0.attn_output.bias"]))

  /// Hugging Face safetensors.
  static let huggingFace = WeightNames(
    layerPrefix: "model.layers.",
    spelling: Spelling(
      embedding: "model.embed_tokens.weight", finalNorm: "model.norm.weight",
      head: "lm_head.weight",
      attentionNorm: "input_layernorm.weight",
      feedForwardNorm: "post_attention_layernorm.weight",
      query: "self_attn.q_proj.weight", queryDown: "self_attn.q_a_proj.weight",
      queryDownNorm: "self_attn.q_a_layernorm.weight", queryUp: "self_attn.q_b_proj.weight",
      latent: "self_attn.kv_a_proj_with_mqa.weight",
      latentNorm: "self_attn.kv_a_layernorm.weight",
      keyValueUp: "self_attn.kv_b_proj.weight", keyUpTransposed: nil, valueUp: nil,
      attentionOutput: "self_attn.o_proj.weight",
      key: "self_attn.k_proj.weight", value: "self_attn.v_proj.weight",
      gate: "mlp.gate_proj.weight", up: "mlp.up_proj.weight", down: "mlp.down_proj.weight",
      router: "mlp.gate.weight", routerBias: "mlp.gate.e_score_correction_bias",
      sharedGate: "mlp.shared_experts.gate_proj.weight",
      sharedUp: "mlp.shared_experts.up_proj.weight",
      sharedDown: "mlp.shared_experts.down_proj.weight",
      unsupported: ["model.layers.0.self_attn.q_proj.bias"]))
}
