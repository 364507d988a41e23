import Foundation
import ModelFiles
import Tensors

/// A GGUF model of one dense layer with latent attention, made for one test.
final class SmallGGUF {
  /// A tensor of layer 0, without prefix and suffix.
  struct Tensor {
    let name: String
    let format: ElementFormat
    let shape: [Int]
    let bytes: [UInt8]

    init(_ name: String, _ format: ElementFormat, _ shape: [Int], _ bytes: [UInt8]) {
      self.name = "blk.0.\(name).weight"
      self.format = format
      self.shape = shape
      self.bytes = bytes
    }
  }

  static let (heads, rope, hidden, vocabulary, intermediate) = (2, 8, 24, 40, 32)

  let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString + ".gguf")
    .path

  /// `tensors` are the projections of latent vectors to keys and values; the rest is random.
  init(nope: Int, value: Int, rank: Int, isOld: Bool, tensors: [Tensor]) throws {
    var generator = SplitMix(seed: 5)
    var all = tensors
    func add(_ name: String, _ shape: Int...) {
      let values = (0..<shape.reduce(1, *)).map { _ in generator.float() * 0.6 - 0.3 }
      let bytes = SafetensorsFolder.Tensor.floats(values, shape: shape).bytes
      all.append(Tensor(name, .f32, shape, bytes))
    }
    add("attn_norm", Self.hidden)
    add("ffn_norm", Self.hidden)
    add("attn_q", Self.heads * (nope + Self.rope), Self.hidden)
    add("attn_kv_a_mqa", rank + Self.rope, Self.hidden)
    add("attn_kv_a_norm", rank)
    add("attn_output", Self.hidden, Self.heads * value)
    add("ffn_gate", Self.intermediate, Self.hidden)
    add("ffn_up", Self.intermediate, Self.hidden)
    add("ffn_down", Self.hidden, Self.intermediate)
    let layerCount = all.count
    add("token_embd", Self.vocabulary, Self.hidden)
    add("output_norm", Self.hidden)
    add("output", Self.vocabulary, Self.hidden)

    var blueprint = Self.metadata(nope: nope, value: value, rank: rank, isOld: isOld)
    for (index, tensor) in all.enumerated() {
      let name = index < layerCount ? tensor.name : tensor.name.replacing("blk.0.", with: "")
      blueprint.add(name, tensor.format, tensor.shape)
    }
    var writer = try GGUFWriter(blueprint, to: path)
    for tensor in all { try writer.write(tensor.bytes.span) }
    try writer.finish()
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  private static func metadata(nope: Int, value: Int, rank: Int, isOld: Bool) -> GGUFBlueprint {
    var blueprint = GGUFBlueprint()
    blueprint.set("general.architecture", string: "deepseek2")
    let numbers = [
      "block_count": 1, "context_length": 64, "embedding_length": hidden,
      "feed_forward_length": intermediate, "attention.head_count": heads,
      "attention.kv_lora_rank": rank, "rope.dimension_count": rope,
      "attention.key_length": isOld ? nope + rope : rank + rope,
      "attention.value_length": isOld ? value : rank,
    ]
    for (key, number) in numbers { blueprint.set("deepseek2." + key, u32: number) }
    if !isOld {
      blueprint.set("deepseek2.attention.key_length_mla", u32: nope + rope)
      blueprint.set("deepseek2.attention.value_length_mla", u32: value)
    }
    blueprint.set("deepseek2.attention.layer_norm_rms_epsilon", f32: 1e-6)
    return blueprint
  }
}
