import Foundation
import Kernels
import ModelFiles
import Tensors
import TestSupport
import Testing

/// The joint key and value projection is taken apart at load, whatever it is stored as.
@Suite("Key and value projections")
struct KeyValueUpTests {
  /// Head sizes for which FP8 blocks of 128 × 128 fall on heads, and for which they do not.
  struct Heads: Sendable {
    let nope: Int
    let value: Int
  }

  static let (heads, rank, rope, hidden, vocabulary) = (2, 130, 8, 24, 40)

  @Test(
    "FP8 with block factors gives the bits of its float32 values",
    arguments: [
      Heads(nope: 128, value: 128), Heads(nope: 64, value: 128), Heads(nope: 20, value: 12),
    ])
  func fp8(sizes: Heads) throws {
    let rows = Self.heads * (sizes.nope + sizes.value)
    var generator = SplitMix(seed: 7)
    let codes = (0..<rows * Self.rank).map { _ in
      UInt8(truncatingIfNeeded: generator.next()) & 0xb7  // small, finite
    }
    let perRow = (Self.rank + 127) / 128
    let scales = (0..<(rows + 127) / 128 * perRow).map { _ in generator.float() * 0.4 + 0.3 }
    var values = [Float](repeating: 0, count: codes.count)
    var span = values.mutableSpan
    unsafe ElementFormat.f8E4M3.decode(codes.span.bytes, into: &span)
    for index in values.indices {
      let (row, column) = index.quotientAndRemainder(dividingBy: Self.rank)
      values[index] *= scales[row / 128 * perRow + column / 128]
    }

    let name = "model.layers.0.self_attn.kv_b_proj.weight"
    let plain = try folder(sizes, [name: .floats(values, shape: [rows, Self.rank])])
    let stored = try folder(
      sizes,
      [
        name: .init(type: "F8_E4M3", shape: [rows, Self.rank], bytes: codes),
        name + "_scale_inv": .floats(scales, shape: [(rows + 127) / 128, perRow]),
      ])
    let tokens = (0..<20).map { Int32($0 * 7 % 40) }
    let expected = try LoadedModel(plain.path).logits(tokens)
    #expect(expected.contains { $0 != 0 } && expected.allSatisfy(\.isFinite))
    #expect(bits(try LoadedModel(stored.path).logits(tokens)) == bits(expected))
  }

  @Test("old GGUF files in block formats give the bits of new ones")
  func oldLayout() throws {
    let (nope, value, rank) = (16, 32, 64)
    let rows = Self.heads * (nope + value)
    var generator = SplitMix(seed: 3)
    var blocks: [UInt8] = []
    for _ in 0..<rows * rank / 32 {
      blocks += [UInt8(truncatingIfNeeded: generator.next()), 0x1c]  // a scale of about 0.004
      blocks += (0..<32).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }
    var values = [Float](repeating: 0, count: rows * rank)
    var span = values.mutableSpan
    unsafe ElementFormat.q8_0.decode(blocks.span.bytes, into: &span)

    var keyUp: [Float] = []  // (heads, rank, nope)
    var valueUp: [UInt8] = []  // (heads, value, rank)
    let rowBytes = rank / 32 * 34
    for head in 0..<Self.heads {
      let first = head * (nope + value)
      for column in 0..<rank {
        keyUp += (0..<nope).map { values[(first + $0) * rank + column] }
      }
      valueUp += blocks[(first + nope) * rowBytes..<(first + nope + value) * rowBytes]
    }
    let old = try SmallGGUF(
      nope: nope, value: value, rank: rank, isOld: true,
      tensors: [.init("attn_kv_b", .q8_0, [rows, rank], blocks)])
    let keyBytes = SafetensorsFolder.Tensor.floats(keyUp, shape: []).bytes
    let new = try SmallGGUF(
      nope: nope, value: value, rank: rank, isOld: false,
      tensors: [
        .init("attn_k_b", .f32, [Self.heads, rank, nope], keyBytes),
        .init("attn_v_b", .q8_0, [Self.heads, value, rank], valueUp),
      ])
    let flat = try SmallGGUF(  // forked converters: two dimensions, old lengths, kv_b besides
      nope: nope, value: value, rank: rank, isOld: true,
      tensors: [
        .init("attn_kv_b", .q8_0, [rows, rank], blocks),
        .init("attn_k_b", .f32, [Self.heads * rank, nope], keyBytes),
        .init("attn_v_b", .q8_0, [Self.heads * value, rank], valueUp),
      ])
    let tokens = (0..<20).map { Int32($0 * 7 % 40) }
    let expected = try LoadedModel(new.path).logits(tokens)
    #expect(expected.contains { $0 != 0 } && expected.allSatisfy(\.isFinite))
    #expect(bits(try LoadedModel(old.path).logits(tokens)) == bits(expected))
    #expect(bits(try LoadedModel(flat.path).logits(tokens)) == bits(expected))
  }

  /// One dense layer of a V3-type model, every tensor but the joint projection random float32.
  private func folder(
    _ sizes: Heads, _ extra: [String: SafetensorsFolder.Tensor]
  ) throws -> SafetensorsFolder {
    var generator = SplitMix(seed: 1)
    func random(_ shape: Int...) -> SafetensorsFolder.Tensor {
      .floats((0..<shape.reduce(1, *)).map { _ in generator.float() * 0.6 - 0.3 }, shape: shape)
    }
    let layer = "model.layers.0."
    let queryRows = Self.heads * (sizes.nope + Self.rope)
    let tensors: [String: SafetensorsFolder.Tensor] = [
      "model.embed_tokens.weight": random(Self.vocabulary, Self.hidden),
      "model.norm.weight": random(Self.hidden),
      "lm_head.weight": random(Self.vocabulary, Self.hidden),
      layer + "input_layernorm.weight": random(Self.hidden),
      layer + "post_attention_layernorm.weight": random(Self.hidden),
      layer + "self_attn.q_proj.weight": random(queryRows, Self.hidden),
      layer + "self_attn.kv_a_proj_with_mqa.weight": random(Self.rank + Self.rope, Self.hidden),
      layer + "self_attn.kv_a_layernorm.weight": random(Self.rank),
      layer + "self_attn.o_proj.weight": random(Self.hidden, Self.heads * sizes.value),
      layer + "mlp.gate_proj.weight": random(32, Self.hidden),
      layer + "mlp.up_proj.weight": random(32, Self.hidden),
      layer + "mlp.down_proj.weight": random(Self.hidden, 32),
    ]
    let config: [String: Any] = [
      "model_type": "deepseek_v3", "vocab_size": Self.vocabulary, "hidden_size": Self.hidden,
      "num_hidden_layers": 1, "num_attention_heads": Self.heads, "kv_lora_rank": Self.rank,
      "qk_nope_head_dim": sizes.nope, "qk_rope_head_dim": Self.rope,
      "v_head_dim": sizes.value, "intermediate_size": 32, "rms_norm_eps": 1e-6,
    ]
    return try SafetensorsFolder(config: config, tensors: tensors.merging(extra) { $1 })
  }
}

/// Steele, Lea and Flood's generator: small, seeded, good enough for weights.
struct SplitMix {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A number from 0 up to 1.
  mutating func float() -> Float { Float(next() >> 40) / Float(1 << 24) }
}
