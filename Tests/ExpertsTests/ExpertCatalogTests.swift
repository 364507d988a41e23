import Experts
import ModelFiles
import Tensors
import TestSupport
import Testing

@Suite struct ExpertCatalogTests {
  @Test(arguments: TestModel.all)
  func everyExpertIsFound(_ model: TestModel) throws {
    let catalog = try model.catalog()
    let geometry = catalog.geometry
    #expect(geometry.shape == model.shape)
    let bytes = try geometry.layers.map { layer in
      try geometry.groups.reduce(0) { try $0 + catalog.bytes(layer, $1).count }
    }
    #expect(bytes.reduce(0, +) == geometry.byteCount)
  }

  @Test(arguments: [
    ("models/v2-lite-like", "gguf/v2-lite-like.gguf"),
    ("models/v2-236b-like", "gguf/v2-236b-like.gguf"),
    ("models/v3-like", "gguf/v3-like/v3-like-00001-of-00003.gguf"),
  ])
  func foldersAndFilesOfOneModelHoldTheSameExperts(_ folder: String, _ file: String) throws {
    let models = TestModel.all.filter { $0.path == folder || $0.path == file }
    let (a, b) = (try models[0].catalog(), try models[1].catalog())
    #expect(a.geometry == b.geometry)
    for layer in a.geometry.layers {
      for group in a.geometry.groups {
        #expect(try a.bytes(layer, group) == b.bytes(layer, group))
      }
    }
  }

  @Test(arguments: TestModel.some)
  func anyPartOfAStreamCanBeRead(_ model: TestModel) throws {
    let catalog = try model.catalog()
    let (layer, group) = (catalog.geometry.layers[0], GroupIndex(1))
    let all = try catalog.bytes(layer, group)
    var random = SeededGenerator(seed: 4)
    for _ in 0..<50 {
      let start = Int.random(in: 0...all.count, using: &random)
      let end = Int.random(in: start...all.count, using: &random)
      #expect(try catalog.bytes(layer, group, start..<end) == Array(all[start..<end]))
    }
  }

  @Test func fp8ScalesFollowTheirMatrix() throws {
    let catalog = try TestModel.fp8.catalog()
    let archive = try ModelArchive.open(Fixtures.path(TestModel.fp8.path))
    let names = ["gate", "up", "down"].flatMap {
      let name = "model.layers.1.mlp.experts.2.\($0)_proj.weight"
      return [name, name + "_scale_inv"]
    }
    let tensors = try names.map { try #require(archive.tensor(named: $0)) }
    let expected = try tensors.flatMap { try archive.bytes(of: $0, 0..<$0.byteCount) }
    // Groups of two experts: expert 2 is the first of group 1.
    let stream = try catalog.bytes(LayerIndex(1), GroupIndex(1))
    #expect(Array(stream.prefix(expected.count)) == expected)
    #expect(stream.count == 2 * expected.count)
  }

  @Test func rangesOutsideAGroupAreRefused() throws {
    let catalog = try TestModel.fp8.catalog()
    let count = catalog.geometry.byteCount(LayerIndex(1), GroupIndex(0))
    #expect(throws: ExpertError.self) {
      try catalog.bytes(LayerIndex(1), GroupIndex(0), 1..<count + 1)
    }
    #expect(throws: ExpertError.self) { try catalog.bytes(LayerIndex(0), GroupIndex(0), 0..<1) }
    #expect(throws: ExpertError.self) { try catalog.bytes(LayerIndex(1), GroupIndex(4), 0..<1) }
    #expect(throws: ExpertError.self) { try catalog.bytes(LayerIndex(1), GroupIndex(-1), 0..<1) }
  }

  @Test func aTensorOfAnotherShapeIsNamed() throws {
    let path = Fixtures.path("models/v3-fp8-like")
    let archive = try ModelArchive.open(path)
    func open(hidden: Int = 136, experts: Int = 8, layers: Range<Int> = 1..<2) throws {
      let shape = try ExpertShape(
        hiddenSize: hidden, expertIntermediateSize: 22, expertCount: experts, expertsPerToken: 3,
        moeLayers: layers, modelGroupCount: 4)
      _ = try ExpertCatalog(archive: archive, shape: shape)
    }
    let shape = #expect(throws: ExpertError.self) { try open(hidden: 128) }
    #expect(
      shape?.description
        == "\(path): tensor model.layers.1.mlp.experts.0.gate_proj.weight has shape [22, 136], "
        + "the configuration says [22, 128]; convert the model again")
    let missing = #expect(throws: ExpertError.self) { try open(experts: 12) }
    #expect(
      missing?.description
        == "\(path): tensor model.layers.1.mlp.experts.8.gate_proj.weight is missing; the file "
        + "is incomplete or of another architecture, download or convert it again")
    #expect(throws: ExpertError.self) { try open(layers: 0..<2) }
  }
}
