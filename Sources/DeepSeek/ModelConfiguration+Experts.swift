public import Experts

extension ModelConfiguration {
  /// The sizes of the routed experts; nil for a dense model.
  public func expertShape() throws(ExpertError) -> ExpertShape? {
    guard let mixture else { return nil }
    return try ExpertShape(
      hiddenSize: hiddenSize, expertIntermediateSize: mixture.expertIntermediateSize,
      expertCount: mixture.expertCount, expertsPerToken: mixture.expertsPerToken,
      moeLayers: mixture.firstLayer..<layerCount, modelGroupCount: mixture.routing.groupCount)
  }
}
