import Foundation
import TestSupport
import Testing

/// Quantised fixtures against the dequantised float32 reference, beside llama.cpp's own distance.
@Suite("Distance of quantised models")
struct QuantisedParityTests {
  static let folders = ["gguf/k-quants-3-layers", "gguf/k-quants-2-layers", "gguf/blocks-of-32"]

  @Test("no larger than llama.cpp's over all files, nor by more than 2 % on any")
  func divergence() throws {
    var ours = 0.0
    var theirs = 0.0
    for folder in Self.folders {
      let reference = try QuantisedReference(folder: folder)
      for (name, file) in reference.files.sorted(by: { $0.key < $1.key }) {
        let expected = try Fixtures.floats(
          "\(folder)/\(name.replacing(".gguf", with: ".reference.f32"))")
        let loaded = try LoadedModel(Fixtures.path("\(folder)/\(name)"))
        let logits = try loaded.logits(file.tokens)
        let divergence = meanDivergence(
          of: logits, from: expected, vocabulary: reference.vocabulary)
        print(
          "PARITY | \(folder)/\(name) | mean KL \(divergence), llama.cpp \(file.llamaCpp.meanKL)")
        #expect(divergence <= file.llamaCpp.meanKL, "\(folder)/\(name)")
        ours += divergence
        theirs += file.llamaCpp.meanKL
      }
    }
    #expect(ours <= theirs)
  }
}
