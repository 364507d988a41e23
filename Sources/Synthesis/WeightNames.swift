internal import Tensors

/// The tensors of a model, in GGUF's spelling and llama.cpp's order.
///
/// Deviations keep activations near 1 from layer to layer: a product of `n` terms has the
/// deviation 0.9/√n, routers spread their scores, and the head makes some tokens likelier.
struct WeightNames {
  private let geometry: Geometry
  private let quantization: Quantization
  private var plans: [TensorPlan] = []

  static func plans(_ geometry: Geometry, _ quantization: Quantization) -> [TensorPlan] {
    var names = WeightNames(geometry: geometry, quantization: quantization)
    names.addAll()
    return names.plans
  }

  private init(geometry: Geometry, quantization: Quantization) {
    self.geometry = geometry
    self.quantization = quantization
  }

  private mutating func addAll() {
    let hidden = geometry.hiddenSize
    matrix("token_embd", [geometry.vocabularySize, hidden], deviation: 1)
    for layer in 0..<geometry.layerCount {
      norm("blk.\(layer).attn_norm", hidden)
      addAttention(layer)
      norm("blk.\(layer).ffn_norm", hidden)
      if layer < geometry.denseLayerCount { addDense(layer) } else { addExperts(layer) }
    }
    norm("output_norm", hidden)
    matrix(
      "output", [geometry.vocabularySize, hidden], .output,
      deviation: 3 / Float(hidden).squareRoot())
  }

  private mutating func addAttention(_ layer: Int) {
    let prefix = "blk.\(layer).attn_"
    let hidden = geometry.hiddenSize
    switch geometry.attention {
    case .latent(let heads, let queryRank, let rank, let nope, let rope, let value):
      let query = heads * (nope + rope)
      if let queryRank {
        matrix(prefix + "q_a", [queryRank, hidden])
        norm(prefix + "q_a_norm", queryRank)
        matrix(prefix + "q_b", [query, queryRank])
      } else {
        matrix(prefix + "q", [query, hidden])
      }
      matrix(prefix + "kv_a_mqa", [rank + rope, hidden])
      norm(prefix + "kv_a_norm", rank)
      // Stored transposed: a key is a product of `rank` terms, not of `nope`.
      matrix(prefix + "k_b", [heads, rank, nope], deviation: 0.9 / Float(rank).squareRoot())
      matrix(prefix + "v_b", [heads, value, rank])
      matrix(prefix + "output", [hidden, heads * value])
    case .grouped(let heads, let keyValueHeads, let headSize):
      matrix(prefix + "q", [heads * headSize, hidden])
      matrix(prefix + "k", [keyValueHeads * headSize, hidden])
      matrix(prefix + "v", [keyValueHeads * headSize, hidden], .value(layer: layer))
      matrix(prefix + "output", [hidden, heads * headSize])
    }
  }

  private mutating func addDense(_ layer: Int) {
    let prefix = "blk.\(layer).ffn_"
    let (hidden, width) = (geometry.hiddenSize, geometry.intermediateSize)
    matrix(prefix + "gate", [width, hidden])
    matrix(prefix + "up", [width, hidden])
    matrix(prefix + "down", [hidden, width], .down(layer: layer))
  }

  private mutating func addExperts(_ layer: Int) {
    guard let experts = geometry.experts else { return }
    let prefix = "blk.\(layer).ffn_"
    let (hidden, width) = (geometry.hiddenSize, experts.intermediateSize)
    let shared = experts.shared * width
    add(
      prefix + "gate_inp.weight", [experts.count, hidden],
      .centred(deviation: 1.5 / Float(hidden).squareRoot()))
    if experts.usesSigmoid {
      add("blk.\(layer).exp_probs_b.bias", [experts.count], .between(-0.02, 0.02))
    }
    matrix(prefix + "gate_exps", [experts.count, width, hidden])
    matrix(prefix + "up_exps", [experts.count, width, hidden])
    matrix(prefix + "down_exps", [experts.count, hidden, width], .down(layer: layer))
    matrix(prefix + "gate_shexp", [shared, hidden])
    matrix(prefix + "up_shexp", [shared, hidden])
    matrix(prefix + "down_shexp", [hidden, shared], .down(layer: layer))
  }

  private mutating func matrix(
    _ name: String, _ shape: [Int], _ role: MatrixRole = .other, deviation: Float? = nil
  ) {
    let columns = shape[shape.count - 1]
    plans.append(
      TensorPlan(
        name: name + ".weight",
        format: quantization.format(of: role, columns: columns, in: geometry), shape: shape,
        values: .centred(deviation: deviation ?? 0.9 / Float(columns).squareRoot())))
  }

  private mutating func norm(_ name: String, _ width: Int) {
    add(name + ".weight", [width], .between(0.9, 1.1))
  }

  private mutating func add(_ name: String, _ shape: [Int], _ values: Spread) {
    plans.append(TensorPlan(name: name, format: .f32, shape: shape, values: values))
  }
}
