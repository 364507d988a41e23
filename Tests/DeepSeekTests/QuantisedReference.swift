import Foundation
import TestSupport

/// `reference.json` of a folder of quantised fixtures.
struct QuantisedReference: Decodable {
  struct File: Decodable {
    let tokens: [Int32]
    let llamaCpp: Distance

    enum CodingKeys: String, CodingKey {
      case tokens
      case llamaCpp = "llama_cpp"
    }
  }

  struct Distance: Decodable {
    let meanKL: Double

    enum CodingKeys: String, CodingKey { case meanKL = "mean_kl" }
  }

  let vocabulary: Int
  let files: [String: File]

  init(folder: String) throws {
    self = try JSONDecoder().decode(Self.self, from: Fixtures.data("\(folder)/reference.json"))
  }
}

/// Σ p · ln(p / q), averaged over positions, with p from the reference.
func meanDivergence(of logits: [Float], from reference: [Float], vocabulary: Int) -> Double {
  func logProbabilities(_ logits: ArraySlice<Float>) -> [Double] {
    let highest = Double(logits.max() ?? 0)
    let sum = logits.reduce(0) { $0 + exp(Double($1) - highest) }
    return logits.map { Double($0) - highest - log(sum) }
  }
  var total = 0.0
  let positions = reference.count / vocabulary
  for position in 0..<positions {
    let range = position * vocabulary..<(position + 1) * vocabulary
    let p = logProbabilities(reference[range])
    let q = logProbabilities(logits[range])
    for token in 0..<vocabulary { total += exp(p[token]) * (p[token] - q[token]) }
  }
  return total / Double(positions)
}
