import Experts
import Kernels
import Tensors
import Testing

@Suite struct ExpertGeometryTests {
  func shape(
    hidden: Int = 64, inner: Int = 32, experts: Int = 8, used: Int = 2, layers: Range<Int> = 1..<3,
    groups: Int = 1
  ) throws(ExpertError) -> ExpertShape {
    try ExpertShape(
      hiddenSize: hidden, expertIntermediateSize: inner, expertCount: experts,
      expertsPerToken: used, moeLayers: layers, modelGroupCount: groups)
  }

  @Test(arguments: [
    (160, 8), (256, 8), (16, 4), (384, 1), (64, 1), (9, 1), (11, 0), (3, 1), (1, 1),
  ])
  func groupsAreConsecutiveAndCoverAllExperts(_ experts: Int, _ groups: Int) throws {
    let shape = try shape(experts: experts, used: 1, groups: groups)
    #expect(shape.groupCount == (groups > 1 ? groups : min(8, experts)))
    var next = 0
    for group in (0..<shape.groupCount).map({ GroupIndex($0) }) {
      let range = shape.experts(in: group)
      #expect(range.lowerBound == next && !range.isEmpty)
      for expert in range { #expect(shape.group(of: ExpertID(expert)) == group) }
      next = range.upperBound
    }
    #expect(next == experts)
  }

  @Test func sizesThatNoModelHasAreRefused() {
    let problem = { (error: ExpertError) in error.description }
    let hidden = #expect(throws: ExpertError.self) { try shape(hidden: .max) }
    #expect(
      hidden.map(problem)
        == "hidden size 9223372036854775807 is not in 1 to 1048576; "
        + "the model's configuration is damaged")
    #expect(throws: ExpertError.self) { try shape(inner: 0) }
    #expect(throws: ExpertError.self) { try shape(experts: 1 << 40) }
    #expect(throws: ExpertError.self) { try shape(experts: -1) }
    #expect(throws: ExpertError.self) { try shape(used: 9) }
    #expect(throws: ExpertError.self) { try shape(layers: -4..<2) }
    #expect(throws: ExpertError.self) { try shape(layers: 0..<Int.max) }
    #expect(throws: ExpertError.self) { try shape(groups: -1) }
    let groups = #expect(throws: ExpertError.self) { try shape(groups: 3) }
    #expect(
      groups.map(problem)
        == "8 experts do not divide into 3 expert groups; the model's configuration is damaged")
  }

  @Test func formatsThatDoNotFitAreRefused() throws {
    let shape = try shape(inner: 32)
    let fine = ExpertFormats(gate: .q8_0, up: .q4_0, down: .f16)
    let error = #expect(throws: ExpertError.self) {
      try ExpertGeometry(
        shape: shape, layerFormats: [fine, ExpertFormats(gate: .q8_0, up: .q8_0, down: .q4K)])
    }
    #expect(
      error?.description
        == "layer 2: down projection of 32 columns cannot be stored as Q4_K; "
        + "convert the file again")
    #expect(throws: ExpertError.self) { try ExpertGeometry(shape: shape, layerFormats: [fine]) }
    #expect(throws: ExpertError.self) {
      try ExpertGeometry(
        shape: shape, layerFormats: [fine, ExpertFormats(gate: .q8_1, up: .q8_0, down: .f16)])
    }
  }

  @Test func aLayerIsSentAndAnswersInTheFormatOfItsMatrices() throws {
    let shape = try shape(layers: 0..<4)
    let geometry = try ExpertGeometry(
      shape: shape,
      layerFormats: [
        ExpertFormats(gate: .f32, up: .bf16, down: .f16),
        ExpertFormats(gate: .q8_0, up: .q4_0, down: .f16),
        ExpertFormats(gate: .f32, up: .q4_0, down: .f16),
        ExpertFormats(gate: .f32, up: .f32, down: .q8_0),
      ])
    #expect(
      geometry.layers.map { geometry.inputFormat($0) }
        == [.float32, .int8Blocks, .float32, .float32])
    #expect(
      geometry.layers.map { geometry.replyFormat($0) }
        == [.float32, .int16Blocks, .int16Blocks, .int16Blocks])
    #expect(geometry.replyRowByteCount(LayerIndex(0)) == 256)
    #expect(geometry.replyRowByteCount(LayerIndex(1)) == 136)
  }
}
