import Foundation
import ModelFiles
import Synthesis
import Tensors
import Testing

@Suite struct SynthesisTests {
  private func withFile<T>(_ body: (String) throws -> T) throws -> T {
    let path = FileManager.default.temporaryDirectory.appending(path: "synthesis-\(UUID()).gguf")
      .path
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
  }

  @Test func theFileHasTheAnnouncedSizeAndOpens() throws {
    let geometry = try #require(Geometry.named("deepseek-coder-1.3b")).withLayers(1)
    try withFile { path in
      var fractions: [Double] = []
      let isThere = try synthesize(geometry, quantization: .q4KM, to: path) {
        fractions.append($0)
      }
      #expect(isThere)
      let archive = try ModelArchive.open(path)
      #expect(archive.fileByteCount == geometry.fileByteCount(.q4KM))
      #expect(fractions.last == 1)
      #expect(fractions == fractions.sorted())
      #expect(archive.architecture == .llama)
      guard case .gguf(let metadata) = archive.container else { return }
      #expect(try metadata.integer("llama.block_count") == 1)
      let tokens = try metadata.strings("tokenizer.ggml.tokens")
      #expect(tokens.count == 32256)
      #expect(Set(tokens.map(Array.init)).count == tokens.count)
      #expect(tokens.text(32013) == "<｜begin▁of▁sentence｜>")
      #expect(tokens.text(32021) == "<|EOT|>")
    }
  }

  @Test func whatIsCancelledLeavesNothingBehind() throws {
    let geometry = try #require(Geometry.named("deepseek-coder-1.3b")).withLayers(1)
    try withFile { path in
      var count = 0
      let isThere = try synthesize(
        geometry, quantization: .q4KM, to: path,
        isCancelled: {
          count += 1
          return count > 2
        })
      #expect(!isThere)
      for name in [path, path + ".partial"] {
        #expect(!FileManager.default.fileExists(atPath: name))
      }
    }
  }

  @Test func theSameSeedGivesTheSameFileAndAnotherSeedAnother() throws {
    let geometry = try #require(Geometry.named("deepseek-coder-1.3b")).withLayers(1)
    func bytes(_ seed: UInt64, _ quantization: Quantization) throws -> Data {
      try withFile { path in
        try synthesize(geometry, quantization: quantization, seed: seed, to: path)
        return try Data(contentsOf: URL(filePath: path))
      }
    }
    let first = try bytes(1, .iq4XS)
    #expect(try bytes(1, .iq4XS) == first)
    #expect(try bytes(2, .iq4XS) != first)
  }
}

@Suite struct GeometryTests {
  @Test func namesAreUnique() {
    #expect(Set(Geometry.all.map(\.name)).count == Geometry.all.count)
    #expect(Geometry.named("wombat") == nil)
  }

  @Test(arguments: [
    ("deepseek-v2", 235.7e9), ("deepseek-v2-lite", 15.7e9), ("deepseek-v3", 671.0e9),
    ("kimi-k2", 1026e9), ("moonlight", 15.96e9), ("deepseek-llm-7b", 6.91e9),
    ("deepseek-llm-67b", 67.4e9), ("deepseek-coder-33b", 33.3e9), ("deepseek-coder-6.7b", 6.74e9),
    ("deepseek-coder-1.3b", 1.346e9),
  ])
  func parametersAreThoseOfThePublishedModel(_ name: String, _ count: Double) throws {
    let geometry = try #require(Geometry.named(name))
    let bytes = Double(geometry.fileByteCount(.bf16))
    #expect(abs(bytes / 2 / count - 1) < 0.01)
  }

  @Test func expertsAreChangedInWholeGroups() throws {
    let lite = try #require(Geometry.named("deepseek-v2-lite"))
    #expect(lite.withExperts(8)?.experts?.count == 8)
    #expect(lite.withExperts(5) == nil)  // a token uses 6
    let v2 = try #require(Geometry.named("deepseek-v2"))
    #expect(v2.withExperts(16)?.experts?.count == 16)  // 8 groups of 2, of which 3 are used
    #expect(v2.withExperts(8) == nil)  // 3 groups of 1 are too few
    #expect(v2.withExperts(17) == nil)
    #expect(try #require(Geometry.named("deepseek-coder-1.3b")).withExperts(8) == nil)
  }

  @Test func aShortModelKeepsALayerOfExperts() throws {
    let geometry = try #require(Geometry.named("deepseek-v3"))
    #expect(geometry.denseLayerCount == 3)
    #expect(geometry.withLayers(8).denseLayerCount == 3)
    #expect(geometry.withLayers(2).denseLayerCount == 1)
    #expect(geometry.withLayers(1).denseLayerCount == 0)
  }
}
