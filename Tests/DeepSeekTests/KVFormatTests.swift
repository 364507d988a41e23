import DeepSeek
import Foundation
import Kernels
import ModelFiles
import TestSupport
import Testing
import Tokenization

/// What halves and 8-bit blocks of keys and values cost, against float32.
///
/// Where weights are quantised, activations are rounded to 8 bits before every product, and any
/// other rounding of the cache makes some of them fall to the other side: that is the divergence
/// of halves. Random routers besides have experts that are nearly as good as the chosen ones.
@Suite("Formats of keys and values")
struct KVFormatTests {
  @Test("are halves where weights are quantised, and float32 where they are not")
  func defaults() throws {
    let kernels = Kernels(team: ThreadTeam(threads: 1))
    func format(_ path: String) throws -> KVFormat {
      try DeepSeekModel(ModelArchive.open(path), kernels: kernels, maxStepRows: 4).kvFormat
    }
    #expect(try format(Fixtures.demoModel) == .float16)
    #expect(try format(Fixtures.path("gguf/k-quants-3-layers/Q4_K_M.gguf")) == .float16)
    #expect(try format(Fixtures.path("models/v2-lite-like")) == .float32)
    #expect(try format(Fixtures.path("models/llm-like")) == .float32)
  }

  @Test("cost little on quantised files, and stay nearer to the reference than llama.cpp")
  func fixtures() throws {
    // The divergence from a float32 cache, averaged over all files.
    for (format, limit) in [(KVFormat.float16, 1.5e-3), (.int8, 2.5e-3)] {
      var (added, ours, theirs, files) = (0.0, 0.0, 0.0, 0.0)
      for folder in QuantisedParityTests.folders {
        let reference = try QuantisedReference(folder: folder)
        for (name, file) in reference.files.sorted(by: { $0.key < $1.key }) {
          let path = Fixtures.path("\(folder)/\(name)")
          let expected = try Fixtures.floats(
            "\(folder)/\(name.replacing(".gguf", with: ".reference.f32"))")
          let exact = try LoadedModel(path, kvFormat: .float32).logits(file.tokens)
          let logits = try LoadedModel(path, kvFormat: format).logits(file.tokens)
          let vocabulary = reference.vocabulary
          let one = meanDivergence(of: logits, from: exact, vocabulary: vocabulary)
          let all = meanDivergence(of: logits, from: expected, vocabulary: vocabulary)
          print(
            "KV | \(folder)/\(name) | \(format.rawValue) | from f32 \(one)"
              + " | from the reference \(all), llama.cpp \(file.llamaCpp.meanKL)")
          added += one
          ours += all
          theirs += file.llamaCpp.meanKL
          files += 1
        }
      }
      #expect(added / files < limit, "\(format)")
      #expect(ours <= theirs, "\(format)")
    }
  }

  @Test(
    "cost little on float models",
    arguments: [
      ("v2-lite-like", 2e-6, 1e-3), ("v2-236b-like", 2e-6, 3e-2), ("llm-like", 2e-6, 1e-4),
    ])
  func floatModels(name: String, ofHalves: Double, ofInt8: Double) throws {
    let tokens = (0..<300).map { Int32($0 * 37 % 101) }
    let path = Fixtures.path("models/\(name)")
    let exact = try LoadedModel(path, kvFormat: .float32)
    let expected = try exact.logits(tokens)
    for (format, limit) in [(KVFormat.float16, ofHalves), (.int8, ofInt8)] {
      let logits = try LoadedModel(path, kvFormat: format).logits(tokens)
      let divergence = meanDivergence(
        of: logits, from: expected, vocabulary: exact.vocabularySize)
      print("KV | models/\(name) | \(format.rawValue) | from f32 \(divergence)")
      #expect(divergence < limit, "\(format)")
    }
  }

  @Test("cost little on the demo model's held-out stories")
  func demoModel() throws {
    let archive = try ModelArchive.open(Fixtures.demoModel)
    let tokenizer = try Tokenizer(archive)
    let text = String(
      decoding: try Fixtures.data("demo-model/heldout_stories.txt"), as: UTF8.self)
    let tokens = tokenizer.encode(text, specials: false, addBOS: false)
    let exact = try LoadedModel(Fixtures.demoModel, threads: 2, kvFormat: .float32)
    let window = min(exact.model.configuration.contextLength, 512)
    let starts = stride(from: 0, to: min(tokens.count, 8 * window) - window, by: window)
    let limits = [(KVFormat.float16, 4e-4), (.int8, 8e-4)]
    let loaded = try limits.map { format, limit in
      (format, limit, try LoadedModel(Fixtures.demoModel, threads: 2, kvFormat: format))
    }
    for (format, limit, model) in loaded {
      var total = 0.0
      for start in starts {
        let part = Array(tokens[start..<start + window])
        total += meanDivergence(
          of: try model.logits(part), from: try exact.logits(part),
          vocabulary: exact.vocabularySize)
      }
      let divergence = total / Double(Array(starts).count)
      print("KV | demo model, windows of \(window) | \(format.rawValue) | from f32 \(divergence)")
      #expect(divergence < limit, "\(format)")
    }
  }
}
