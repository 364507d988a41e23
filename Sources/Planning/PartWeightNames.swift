/// The parts of a model that tensors are counted under.
public enum ModelPart: String, CaseIterable, Sendable {
  /// The token embedding, of which a token reads one row.
  case embedding
  /// The projections around attention.
  case attention
  /// Feed-forward networks of layers without experts.
  case denseLayers = "dense feed-forward"
  /// What chooses experts.
  case routers
  /// Experts that every token uses.
  case sharedExperts = "shared experts"
  /// Experts that tokens are sent to.
  case routedExperts = "routed experts"
  /// Weights of norms.
  case norms
  /// The projection to the vocabulary.
  case head
  /// What a file has and no token needs.
  case unused = "not used"

  /// The part that a tensor belongs to, by its name in a GGUF or Hugging Face checkpoint.
  ///
  /// Layers from `layerCount` on are prediction layers, which are skipped.
  public init(tensor name: String, layerCount: Int) {
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
