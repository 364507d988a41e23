/// How checkpoints spell the tensors of experts that workers may hold.
enum ExpertWeightNames {
  /// GGUF: all experts of a projection in one tensor, [E, rows, columns].
  static func stack(_ layer: LayerIndex, _ projection: ExpertProjection) -> String {
    "blk.\(layer).ffn_\(projection)_exps.weight"
  }

  /// GGUF, rare: gate rows, then up rows of each expert, [E, 2 · rows, columns].
  static func gateUpStack(_ layer: LayerIndex) -> String {
    "blk.\(layer).ffn_gate_up_exps.weight"
  }

  /// Hugging Face: one matrix of one expert.
  static func matrix(
    _ layer: LayerIndex, _ expert: Int, _ projection: ExpertProjection
  ) -> String {
    "model.layers.\(layer).mlp.experts.\(expert).\(projection)_proj.weight"
  }

  /// Hugging Face, FP8: the block scales of a matrix, which multiply despite the name.
  static func scales(_ matrix: String) -> String { matrix + "_scale_inv" }

  /// GGUF: one matrix of the shared experts together.
  static func shared(_ layer: LayerIndex, _ projection: ExpertProjection) -> String {
    "blk.\(layer).ffn_\(projection)_shexp.weight"
  }

  /// Hugging Face: the same.
  static func sharedMatrix(_ layer: LayerIndex, _ projection: ExpertProjection) -> String {
    "model.layers.\(layer).mlp.shared_experts.\(projection)_proj.weight"
  }
}
