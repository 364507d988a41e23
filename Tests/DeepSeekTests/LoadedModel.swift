import DeepSeek
import Experts
import Kernels
import ModelFiles
import Tensors

/// A model with its experts in this process.
final class LoadedModel {
  let model: DeepSeekModel
  let kernels: Kernels
  let experts: LocalExperts?

  init(
    _ path: String, variant: KernelVariant = .best, threads: Int = 1,
    routing: RoutingRule = .huggingFace, maxStepRows: Int = 64, kvFormat: KVFormat? = nil,
    overlap: Overlap = .off
  ) throws {
    let kernels = Kernels(variant: variant, team: ThreadTeam(threads: threads))
    self.kernels = kernels
    model = try DeepSeekModel(
      ModelArchive.open(path), kernels: kernels, routing: routing, maxStepRows: maxStepRows,
      kvFormat: kvFormat)
    model.overlap = overlap
    experts = try model.catalog.map { try LocalExperts(loading: $0, kernels: kernels) }
  }

  var vocabularySize: Int { model.configuration.vocabularySize }

  /// Logits of every position, (tokens, vocabulary), run in steps of `chunk` tokens.
  func logits(_ tokens: [Int32], chunk: Int = 64) throws -> [Float] {
    let cache = try model.makeCache(capacity: max(tokens.count, 1))
    var all: [Float] = []
    for start in stride(from: 0, to: tokens.count, by: chunk) {
      let part = tokens[start..<min(start + chunk, tokens.count)]
      all += try run([(Array(part), cache)])
    }
    return all
  }

  /// Logits of every row of one step.
  func run(_ sequences: [(tokens: [Int32], cache: KVCache)]) throws -> [Float] {
    var step = StepBatch()
    for sequence in sequences {
      step.append(sequence.tokens.span, to: sequence.cache, wanted: .all)
    }
    return try run(step)
  }

  func run(_ step: StepBatch) throws -> [Float] {
    var logits = FloatMatrix(rows: step.wantedCount, columns: vocabularySize)
    try model.forward(step, experts: experts, logits: &logits)
    var values: [Float] = []
    for row in 0..<step.wantedCount {
      let span = logits.row(row)
      for column in 0..<span.count { values.append(span[column]) }
    }
    return values
  }

  /// The continuation at temperature 0, one token per step.
  func greedy(_ prompt: [Int32], count: Int) throws -> [Int32] {
    let cache = try model.makeCache(capacity: prompt.count + count)
    var tokens: [Int32] = []
    var next = prompt
    for _ in 0..<count {
      var step = StepBatch()
      step.append(next.span, to: cache)
      let logits = try run(step)
      let best = logits.indices.reduce(0) { logits[$1] > logits[$0] ? $1 : $0 }
      tokens.append(Int32(best))
      next = [Int32(best)]
    }
    return tokens
  }
}

/// Keeps what a model tells about its steps.
final class Recorder: StepObserver {
  /// The stream before each layer and after the last, (layers + 1), each (rows, hiddenSize).
  private(set) var hidden: [Int: [Float]] = [:]
  /// The experts of each row by layer, in falling order of their choice value.
  private(set) var experts: [Int: [[Int32]]] = [:]
  private(set) var weights: [Int: [[Float]]] = [:]

  func willRun(layer: Int, hidden: borrowing FloatMatrix, rowCount: Int) {
    for index in 0..<rowCount {
      let row = hidden.row(index)
      for column in 0..<row.count { self.hidden[layer, default: []].append(row[column]) }
    }
  }

  func didRoute(layer: Int, row: Int, experts: [Int32], weights: [Float]) {
    self.experts[layer, default: []].append(experts)
    self.weights[layer, default: []].append(weights)
  }
}

/// The largest absolute difference of two equally long arrays.
func maxDifference(_ a: [Float], _ b: [Float]) -> Float {
  precondition(a.count == b.count)
  return zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1).isNaN ? .infinity : abs($1.0 - $1.1)) }
}

/// The bits, so that zeros of both signs differ and equal NaN do not.
func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
