import DeepSeek
import Placement
import Tensors

/// Takes down which experts the tokens of a run use, for `--record-routing`.
///
/// Rows of a step come to every layer in the same order, however the step is cut.
final class RoutingRecorder: StepObserver {
  private let path: String
  private let layerCount: Int  // of the model
  private var trace: RoutingTrace
  private var layers: [[UInt16]]  // by layer with experts: (rows of this step, expertsPerToken)

  /// Records for a file at `path`.
  ///
  /// - Throws: One line when the model has no routed experts, or the file cannot be written.
  init(_ model: ModelConfiguration, path: String) throws {
    guard let mixture = model.mixture else {
      throw CommandFailure("this model has no routed experts; run it without --record-routing")
    }
    try ResultFile.check(path)
    self.path = path
    layerCount = model.layerCount
    trace = try RoutingTrace(
      firstLayer: mixture.firstLayer, layerCount: model.layerCount - mixture.firstLayer,
      expertCount: mixture.expertCount, expertsPerToken: mixture.expertsPerToken)
    layers = Array(repeating: [], count: trace.layerCount)
  }

  func willRun(layer: Int, hidden: borrowing FloatMatrix, rowCount: Int) {
    if layer == 0 { forget() }  // what a failed step has left
    if layer == layerCount { keep() }
  }

  func didRoute(layer: Int, row: Int, experts: [Int32], weights: [Float]) {
    guard !trace.isFull else { return }
    layers[layer - trace.firstLayer] += experts.map { UInt16(truncatingIfNeeded: $0) }
  }

  private func forget() {
    for index in layers.indices { layers[index].removeAll(keepingCapacity: true) }
  }

  private func keep() {
    let width = trace.expertsPerToken
    let rows = (layers.map(\.count).min() ?? 0) / width
    for row in 0..<rows {
      // The router chose them: they exist, and each once.
      try? trace.append(layers.flatMap { $0[row * width..<(row + 1) * width] })
    }
    forget()
  }

  /// Writes the file, and says so.
  func save() throws {
    try RoutingFile.write(trace, to: path)
    Terminal.note("\(path): the experts of \(trace.rowCount) tokens")
  }
}
