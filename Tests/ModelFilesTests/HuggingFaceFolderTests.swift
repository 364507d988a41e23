import Foundation
import ModelFiles
import Tensors
import TestSupport
import Testing

@Suite struct HuggingFaceFolderTests {
  @Test func shardsOpenAsOneModel() throws {
    let archive = try ModelArchive.open(Fixtures.path("models/v2-lite-like"))
    #expect(archive.architecture == .deepseekV2)
    #expect(archive.filePaths.count == 3)
    #expect(Set(archive.tensors.map(\.part)) == [0, 1, 2])
    #expect(archive.tensors.count == 89)
    let head = try #require(archive.tensor(named: "lm_head.weight"))
    #expect(head.shape.count == 2)
    #expect(try archive.bytes(of: head, rows: 0..<head.rows).count == head.byteCount)
  }

  @Test func eightBitFloatsAndTheirScalesAreFound() throws {
    let archive = try ModelArchive.open(Fixtures.path("models/v3-fp8-like"))
    let weight = try #require(archive.tensors.first { $0.format == .f8E4M3 })
    let scale = try #require(archive.tensor(named: weight.name + "_scale_inv"))
    #expect(scale.format == .f32)
    #expect(scale.shape == weight.shape.map { ($0 + 127) / 128 })
  }

  @Test func otherFilesAreReadOnDemand() throws {
    let path = Fixtures.path("models/v3-like")
    guard case .huggingFace(let folder) = try ModelArchive.open(path).container else {
      Issue.record("not a folder")
      return
    }
    #expect(folder.config["rope_parameters"]?["rope_type"]?.string == "yarn")
    #expect(try folder.tokenizer()["model"]?["type"]?.string == "BPE")
    #expect(try folder.tokenizerConfig() != nil)
    #expect(try folder.generationConfig()?["eos_token_id"] != nil)
    #expect(try folder.text(ifPresent: "chat_template.jinja") == nil)
  }

  private func copy() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.link(Fixtures.path("hostile/st-control"))
    return folder
  }

  private func header(_ json: String, data: Int) -> [UInt8] {
    let text = Array(json.utf8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    return length + text + [UInt8](repeating: 0, count: data)
  }

  @Test func valuesThatNoWeightHasAreCheckedAndLeftOut() throws {
    let folder = try copy()
    let json =
      #"{"a":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},"#
      + #""b":{"dtype":"F32","shape":[],"data_offsets":[16,20]}}"#
    try folder.write(header(json, data: 20), to: "model.safetensors")
    let archive = try ModelArchive.open(folder.path)
    #expect(archive.tensors.map(\.name) == ["b"])
    #expect(archive.tensors[0].shape.isEmpty)
    #expect(try archive.bytes(of: archive.tensors[0], rows: 0..<1).count == 4)
    let overlap = json.replacingOccurrences(of: "[16,20]", with: "[12,16]")
    try folder.write(header(overlap, data: 20), to: "model.safetensors")
    #expect(try openingError(folder.path, in: folder.path).contains("\"a\" and \"b\" overlap"))
  }

  @Test(arguments: [
    (#"{"a":{"shape":[1],"data_offsets":[0,4]}}"#, "has the dtype \"\""),
    (#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, "has no shape"),
    (#"{"a":{"dtype":"F32","shape":[1]}}"#, "has no data_offsets"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}"#, "has no data_offsets"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0.0,4.0]}}"#, "has no data_offsets"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, "ends before it begins"),
    (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, "no natural number"),
    (#"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}"#, "at most 8"),
    (#"{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}"#, "too large"),
    (#"{"a":7}"#, "has no shape"),
    (#"[1]"#, "the header is no JSON object"),
  ])
  func malformedEntriesAreRefused(_ json: String, _ problem: String) throws {
    let folder = try copy()
    try folder.write(header(json, data: 4), to: "model.safetensors")
    #expect(try openingError(folder.path, in: folder.path).contains(problem))
  }

  @Test(arguments: [
    "../model.safetensors", "/etc/model.safetensors", "a/b.safetensors", "config.json", "",
  ])
  func anIndexNamesOnlyFilesOfItsFolder(_ name: String) throws {
    let folder = try copy()
    let json = #"{"weight_map": {"lm_head.weight": "\#(name)"}}"#
    try folder.write(json.utf8, to: "model.safetensors.index.json")
    #expect(try openingError(folder.path, in: folder.path).contains("no plain file name"))
  }

  @Test func aTensorThatItsShardLacksIsNamed() throws {
    let folder = try copy()
    let json = #"{"weight_map": {"wombat.weight": "model.safetensors"}}"#
    try folder.write(json.utf8, to: "model.safetensors.index.json")
    #expect(
      try openingError(folder.path, in: folder.path)
        == "model.safetensors.index.json: \"model.safetensors\" does not hold tensor"
        + " \"wombat.weight\"; copy or download the file again")
  }

  @Test func onlyTensorsOfTheIndexCount() throws {
    let folder = try copy()
    let json = #"{"weight_map": {"lm_head.weight": "model.safetensors"}}"#
    try folder.write(json.utf8, to: "model.safetensors.index.json")
    #expect(try ModelArchive.open(folder.path).tensors.map(\.name) == ["lm_head.weight"])
  }

  @Test func missingFilesAndOtherModelsAreNamed() throws {
    let folder = try copy()
    try FileManager.default.removeItem(atPath: folder.path + "/model.safetensors")
    #expect(
      try openingError(folder.path, in: folder.path).hasSuffix(
        ": neither model.safetensors nor model.safetensors.index.json is there; download the"
          + " safetensors files (pickled .bin weights are not read)"))
    try folder.write(#"{"model_type": "wombat", "hidden_size": 8}"#.utf8, to: "config.json")
    #expect(
      try openingError(folder.path, in: folder.path)
        == "config.json: model_type is \"wombat\" (this build reads deepseek_v2, deepseek_v3,"
        + " kimi_k2, llama); choose a model of the DeepSeek family")
    try FileManager.default.removeItem(atPath: folder.path + "/config.json")
    #expect(
      try openingError(folder.path, in: folder.path)
        == "config.json: cannot open: No such file or directory; check the path")
  }
}
