public import Experts
public import ModelFiles

extension ModelConfiguration {
  /// The sizes of the routed experts; nil for a dense model.
  public func expertShape() throws(ExpertError) -> ExpertShape? {
    guard let mixture else { return nil }
    return try ExpertShape(
      hiddenSize: hiddenSize, expertIntermediateSize: mixture.expertIntermediateSize,
      expertCount: mixture.expertCount, expertsPerToken: mixture.expertsPerToken,
      moeLayers: mixture.firstLayer..<layerCount, modelGroupCount: mixture.routing.groupCount)
  }

  /// Finds the experts that workers may hold; nil for a dense model.
  ///
  /// - Parameters:
  ///   - archive: The model.
  ///   - includesShared: Whether workers are to hold shared experts, too.
  /// - Returns: Where they lie.
  /// - Throws: `ExpertError` that names a tensor, or says why workers cannot hold shared experts.
  public func makeCatalog(
    _ archive: ModelArchive, includesShared: Bool = false
  ) throws(ExpertError) -> ExpertCatalog? {
    guard let shape = try expertShape(), let mixture else { return nil }
    return try ExpertCatalog(
      archive: archive, shape: shape,
      sharedIntermediateSize: includesShared ? mixture.sharedIntermediateSize : 0)
  }
}
