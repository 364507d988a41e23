import Synthesis
import Tensors
import Testing

@Suite struct QuantizationTests {
  private func formats(
    _ name: String, _ quantization: Quantization, layers: Int? = nil
  ) throws -> [String: ElementFormat] {
    var geometry = try #require(Geometry.named(name))
    if let layers { geometry = geometry.withLayers(layers) }
    return Dictionary(
      uniqueKeysWithValues: geometry.plans(quantization).map { ($0.name, $0.format) })
  }

  @Test func aQ4KMOfV2HasTheFormatsThatTheQuantiserGives() throws {
    let formats = try formats("deepseek-v2", .q4KM)
    #expect(formats["token_embd.weight"] == .q4K)
    #expect(formats["output.weight"] == .q6K)
    #expect(formats["blk.5.attn_k_b.weight"] == .q5_0)
    #expect(formats["blk.5.attn_v_b.weight"] == .q4K)
    #expect(formats["blk.5.ffn_gate_inp.weight"] == .f32)
    #expect(formats["blk.5.attn_norm.weight"] == .f32)
    let more = (1..<60).filter { formats["blk.\($0).ffn_down_exps.weight"] == .q6K }
    #expect(more == (1..<60).filter { $0 < 7 || $0 >= 52 || ($0 - 7) % 3 == 2 })
    let shared = (1..<60).filter { formats["blk.\($0).ffn_down_shexp.weight"] == .q6K }
    #expect(shared == more)
    #expect(formats["blk.0.ffn_down.weight"] == .q6K)
  }

  @Test func rowsThatAreNotWholeBlocksFallBack() throws {
    let formats = try formats("deepseek-v2-lite", .q4KM)
    #expect(formats["blk.0.ffn_down.weight"] == .q8_0)
    #expect(formats["blk.1.ffn_down_exps.weight"] == .q8_0)
    #expect(formats["blk.3.ffn_down_exps.weight"] == .q5_0)
    #expect(formats["blk.3.ffn_down_shexp.weight"] == .q4K)
    let iq4 = try self.formats("deepseek-v2-lite", .iq4XS)
    #expect(iq4["blk.1.ffn_down_exps.weight"] == .q5_1)
    #expect(iq4["blk.5.ffn_down_exps.weight"] == .iq4NL)
    #expect(iq4["blk.5.ffn_up_exps.weight"] == .iq4XS)
    #expect(try self.formats("deepseek-v2-lite", .q6K)["blk.5.ffn_down_exps.weight"] == .q8_0)
    #expect(try self.formats("deepseek-v2-lite", .q5KM)["blk.5.attn_k_b.weight"] == .q5_1)
  }

  @Test func denseModelsStoreSomeValueProjectionsWithMoreBits() throws {
    let formats = try formats("deepseek-llm-7b", .q4KM)
    #expect(formats["blk.0.attn_v.weight"] == .q6K)
    #expect(formats["blk.3.attn_v.weight"] == .q4K)
    #expect(formats["blk.0.attn_k.weight"] == .q4K)
    #expect(try self.formats("deepseek-llm-67b", .iq4XS)["blk.50.attn_v.weight"] == .q5K)
  }

  @Test(arguments: Quantization.allCases)
  func everyMixSuitsEveryModel(_ quantization: Quantization) {
    for geometry in Geometry.all {
      for plan in geometry.withLayers(4).plans(quantization) {
        #expect(plan.format.byteCount(elements: plan.shape.last ?? 0) != nil)
        #expect(plan.name.utf8.count <= 63)
      }
    }
  }
}
