/// The parts of a model that tensors are counted under.
enum ModelPart: String, CaseIterable {
  case embedding
  case attention
  case denseLayers = "dense feed-forward"
  case routers
  case sharedExperts = "shared experts"
  case routedExperts = "routed experts"
  case norms
  case head
  case unused = "not used"

  /// The part that a tensor belongs to, by its name in a GGUF or Hugging Face checkpoint.
  ///
  /// Layers from `layerCount` on are prediction layers, which are skipped.
  init(tensor name: String, layerCount: Int) {
    let layer = name.split(separator: ".").lazy.compactMap { Int($0) }.first
    if let layer, layer >= layerCount { self = .unused; return }
    if let rule = Self.rules.first(where: { $0.words.contains(where: name.contains) }) {
      self = rule.part
    } else {
      self = layer == nil ? .unused : .denseLayers
    }
  }

  /// The first rule of which a word occurs in the name decides.
  private static let rules: [(words: [String], part: ModelPart)] = [
    (["token_embd", "embed_tokens"], .embedding),
    (["norm"], .norms),
    (["_shexp", "shared_experts"], .sharedExperts),
    (["_exps", "mlp.experts."], .routedExperts),
    (["ffn_gate_inp", "exp_probs_b", "mlp.gate.weight", "e_score_correction_bias"], .routers),
    (["attn", "rope_freqs"], .attention),
    (["lm_head", "output.weight"], .head),
  ]
}
