public import ModelFiles

/// Where each expert of a model lies in its files; reads the bytes of any group on demand.
public struct ExpertCatalog: ExpertSource {
  /// The sizes, and the formats found in the files.
  public let geometry: ExpertGeometry
  private let archive: ModelArchive
  /// One per MoE layer.
  private let layers: [LayerTensors]
  /// The same of shared experts; empty where the coordinator computes them.
  private let sharedLayers: [LayerTensors]

  /// Finds the expert tensors of every MoE layer and checks their shapes and formats.
  ///
  /// - Parameters:
  ///   - archive: The model.
  ///   - shape: The sizes of its routed experts.
  ///   - sharedIntermediateSize: Rows of the shared experts' joint gate projection where workers are
  ///     to hold those, too; else 0.
  /// - Throws: `ExpertError` that names the tensor, what it is and what it should be, or why shared
  ///   experts have to stay on the coordinator.
  public init(
    archive: ModelArchive, shape: ExpertShape, sharedIntermediateSize: Int = 0
  ) throws(ExpertError) {
    self.archive = archive
    let finder = ExpertTensorFinder(archive: archive, shape: shape)
    var layers: [LayerTensors] = []
    var sharedLayers: [LayerTensors] = []
    for layer in shape.moeLayers {
      layers.append(try LayerTensors(finder.find(LayerIndex(layer))))
      guard sharedIntermediateSize > 0 else { continue }
      sharedLayers.append(
        try LayerTensors(finder.findShared(LayerIndex(layer), width: sharedIntermediateSize)))
    }
    self.layers = layers
    self.sharedLayers = sharedLayers
    let shared = SharedExperts(
      intermediateSize: sharedIntermediateSize, layerFormats: sharedLayers.map(\.formats))
    geometry = try ExpertGeometry(
      shape: shape, layerFormats: layers.map(\.formats),
      shared: sharedIntermediateSize > 0 ? shared : nil)
  }

  /// Files are read at any place by any thread.
  public var servesManyThreads: Bool { true }

  /// Copies `bytes` of the stream of (`layer`, `group`) to the start of `destination`.
  ///
  /// - Throws: `ModelFileError` when the file cannot be read, `ExpertError` when the range or the
  ///   group does not exist or does not fit.
  public func read(
    layer: LayerIndex, group: GroupIndex, bytes: Range<Int>,
    into destination: inout MutableRawSpan
  ) throws {
    guard geometry.shape.contains(layer), geometry.contains(group), bytes.lowerBound >= 0,
      bytes.upperBound <= geometry.byteCount(layer, group), bytes.count <= destination.byteCount
    else {
      throw ExpertError(
        .group,
        "layer \(layer), group \(group): bytes \(bytes.lowerBound) to \(bytes.upperBound) do not "
          + "exist; both sides must run the same version")
    }
    let isShared = geometry.isShared(group)
    let tensors =
      (isShared ? sharedLayers : layers)[layer.rawValue - geometry.moeLayers.lowerBound]
    let layout = geometry.layout(layer, group)
    let firstExpert = isShared ? 0 : geometry.experts(in: group).lowerBound
    var position = bytes.lowerBound
    while position < bytes.upperBound {
      let (index, offset) = position.quotientAndRemainder(dividingBy: layout.byteCount)
      let segment = layout.segment(at: offset)
      let place = tensors[segment.projection].place(firstExpert + index, segment.part)
      let start = place.byte + offset - segment.offset
      let count = min(segment.range.upperBound - offset, bytes.upperBound - position)
      let target = position - bytes.lowerBound
      var piece = destination._mutatingExtracting(target..<target + count)
      try archive.read(place.tensor, bytes: start..<start + count, into: &piece)
      position += count
    }
  }
}

/// The three projections of one layer.
private struct LayerTensors: Sendable {
  private let gate, up, down: ExpertTensors

  init(_ found: ExpertTensorFinder.Found) { (gate, up, down) = found }

  var formats: ExpertFormats {
    ExpertFormats(gate: gate.format, up: up.format, down: down.format)
  }

  subscript(_ projection: ExpertProjection) -> ExpertTensors {
    switch projection {
    case .gate: gate
    case .up: up
    case .down: down
    }
  }
}
