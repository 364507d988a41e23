public import ModelFiles
package import Tensors

extension Geometry {
  /// Bytes of the file that `synthesize` would write.
  public func fileByteCount(_ quantization: Quantization) -> Int {
    let (blueprint, _) = blueprint(quantization)
    return blueprint.header.count + blueprint.dataByteCount
  }

  /// Every tensor of the file, in its order.
  package func plans(_ quantization: Quantization) -> [TensorPlan] {
    WeightNames.plans(self, quantization)
  }

  /// How the routed experts of each layer that has some are stored, in order; empty without any.
  package func expertFormats(
    _ quantization: Quantization
  ) -> [(gate: ElementFormat, up: ElementFormat, down: ElementFormat)] {
    guard let experts else { return [] }
    let input = quantization.format(of: .other, columns: hiddenSize, in: self)
    return (denseLayerCount..<layerCount).map { layer in
      let down = quantization.format(
        of: .down(layer: layer), columns: experts.intermediateSize, in: self)
      return (input, input, down)
    }
  }

  fileprivate func blueprint(
    _ quantization: Quantization
  ) -> (GGUFBlueprint, [TensorPlan]) {
    var blueprint = GGUFBlueprint()
    blueprint.describe(self, quantization)
    blueprint.describe(
      SyntheticVocabulary(vocabulary, count: vocabularySize), vocabulary)
    let plans = plans(quantization)
    for plan in plans { blueprint.add(plan.name, plan.format, plan.shape) }
    return (blueprint, plans)
  }
}

/// Writes a GGUF file with the geometry of a published model and random weights.
///
/// The same seed gives the same tensors, whatever the layer count. Weights are finite and keep
/// activations in a plausible range; the text that the model makes is meaningless. llama.cpp
/// runs the file, too.
///
/// - Parameters:
///   - geometry: The model's sizes.
///   - quantization: The mix of tensor formats.
///   - seed: Another seed gives other weights.
///   - path: The file, which appears when it is complete.
///   - progress: Is told the written fraction, from 0 to 1, every few megabytes.
///   - isCancelled: Is asked as often; then the unfinished file is removed.
/// - Returns: Whether the file is there, because nobody cancelled.
/// - Throws: When the disk has no room or the file cannot be written.
@discardableResult
public func synthesize(
  _ geometry: Geometry, quantization: Quantization, seed: UInt64 = 0, to path: String,
  progress: (Double) -> Void = { _ in }, isCancelled: () -> Bool = { false }
) throws(ModelFileError) -> Bool {
  let (blueprint, plans) = geometry.blueprint(quantization)
  var writer = try GGUFWriter(blueprint, to: path)
  var buffer = [UInt8](repeating: 0, count: 4 << 20)
  var done = 0
  for (plan, tensor) in zip(plans, blueprint.tensors) {
    var blocks = RandomBlocks(plan, seed: seed)
    let step = buffer.count / plan.format.blockByteCount * plan.format.blockByteCount
    for start in stride(from: 0, to: tensor.byteCount, by: step) {
      guard !isCancelled() else { return false }
      let count = min(step, tensor.byteCount - start)
      blocks.fill(&buffer, count: count)
      try writer.write(buffer.span.extracting(0..<count))
      done += count
      progress(Double(done) / Double(blueprint.dataByteCount))
    }
  }
  try writer.finish()
  progress(1)
  return true
}
