public import Kernels
public import Tensors

/// How one layer's expert matrices are stored; every expert of a layer is stored alike.
public struct ExpertFormats: Sendable, Hashable {
  /// Format of the gate projection, [expertIntermediateSize, hiddenSize].
  public let gate: ElementFormat
  /// Format of the up projection, [expertIntermediateSize, hiddenSize].
  public let up: ElementFormat
  /// Format of the down projection, [hiddenSize, expertIntermediateSize].
  public let down: ElementFormat

  /// Names the three formats.
  public init(gate: ElementFormat, up: ElementFormat, down: ElementFormat) {
    self.gate = gate
    self.up = up
    self.down = down
  }
}

/// Everything that a worker must know about a model's experts to hold and run them.
///
/// A plain value: it crosses the wire, so that a worker without a model file can accept the raw
/// bytes of its groups.
public struct ExpertGeometry: Sendable, Hashable {
  /// The sizes.
  public let shape: ExpertShape
  /// The formats of each layer of `moeLayers`, in order.
  public let layerFormats: [ExpertFormats]
  /// The shared experts, where workers hold them, too; nil where the coordinator does.
  public let shared: SharedExperts?

  /// Checks that every matrix is whole blocks.
  ///
  /// - Throws: `ExpertError` of kind `geometry` that names the layer and the matrix.
  public init(
    shape: ExpertShape, layerFormats: [ExpertFormats], shared: SharedExperts? = nil
  ) throws(ExpertError) {
    guard layerFormats.count == shape.moeLayers.count else {
      throw ExpertError(
        .geometry,
        "\(layerFormats.count) layers of expert formats for \(shape.moeLayers.count) layers "
          + "with experts; update the older side")
    }
    self.shape = shape
    self.layerFormats = layerFormats
    self.shared = shared
    for (layer, formats) in zip(layers, layerFormats) { try checkBlocks(formats, layer, nil) }
    try checkShared()
  }

  /// Refuses matrices whose rows are not whole blocks.
  func checkBlocks(
    _ formats: ExpertFormats, _ layer: LayerIndex, _ group: GroupIndex?
  ) throws(ExpertError) {
    for projection in ExpertProjection.allCases {
      let format = formats[projection]
      let columns = columns(of: projection, group)
      guard format.isWeightFormat, format.byteCount(elements: columns) != nil else {
        throw ExpertError(
          .geometry,
          "layer \(layer): \(projection) projection of \(columns) columns cannot be stored "
            + "as \(format.name); convert the file again")
      }
    }
  }
}

extension ExpertGeometry {
  /// Elements of a hidden row.
  public var hiddenSize: Int { shape.hiddenSize }
  /// Rows of an expert's gate and up projections.
  public var expertIntermediateSize: Int { shape.expertIntermediateSize }
  /// Routed experts of a layer.
  public var expertCount: Int { shape.expertCount }
  /// Experts that a token is sent to.
  public var expertsPerToken: Int { shape.expertsPerToken }
  /// The layers that have routed experts.
  public var moeLayers: Range<Int> { shape.moeLayers }
  /// Groups of routed experts of a layer.
  public var groupCount: Int { shape.groupCount }

  /// Whether `group` is one that workers hold.
  public func contains(_ group: GroupIndex) -> Bool {
    group.rawValue >= 0 && group.rawValue < placedGroupCount
  }

  /// The experts of `group`, consecutive, never empty.
  public func experts(in group: GroupIndex) -> Range<Int> {
    isShared(group) ? expertCount..<expertCount + 1 : shape.experts(in: group)
  }

  /// The group that holds `expert`.
  public func group(of expert: ExpertID) -> GroupIndex {
    if let sharedGroup, expert == sharedExpert { return sharedGroup }
    return shape.group(of: expert)
  }

  /// Rows of a projection of one expert of `group`; nil is any routed group.
  public func rows(of projection: ExpertProjection, _ group: GroupIndex?) -> Int {
    projection == .down ? hiddenSize : intermediateSize(group)
  }

  /// Columns of a projection of one expert of `group`; nil is any routed group.
  public func columns(of projection: ExpertProjection, _ group: GroupIndex?) -> Int {
    projection == .down ? intermediateSize(group) : hiddenSize
  }

  private func intermediateSize(_ group: GroupIndex?) -> Int {
    guard let shared, group == sharedGroup else { return expertIntermediateSize }
    return shared.intermediateSize
  }

  /// How the matrices of a group of `layer` are stored.
  public func formats(_ layer: LayerIndex, _ group: GroupIndex) -> ExpertFormats {
    guard let shared, isShared(group) else { return formats(layer) }
    precondition(shape.contains(layer))
    return shared.layerFormats[layer.rawValue - moeLayers.lowerBound]
  }

  /// How the matrices of the routed experts of `layer` are stored.
  public func formats(_ layer: LayerIndex) -> ExpertFormats {
    precondition(shape.contains(layer))
    return layerFormats[layer.rawValue - moeLayers.lowerBound]
  }

  /// What the rows dispatched to `layer` are encoded in: 8-bit blocks if both of its input
  /// projections want them, else floats, which a worker encodes further where it must.
  public func inputFormat(_ layer: LayerIndex) -> ActivationFormat {
    let formats = formats(layer)
    let input = formats.gate.activationFormat
    return input == formats.up.activationFormat ? input : .float32
  }

  /// Whether `layer` is sent floats although one of its matrices takes blocks.
  func needsBlocks(_ layer: LayerIndex) -> Bool {
    guard inputFormat(layer) == .float32 else { return false }
    return formats(layer).readsBlocks
      || (sharedGroup.map { formats(layer, $0).readsBlocks } ?? false)
  }

  /// What the partial sums of routed experts of `layer` are rounded to: float32 if no matrix of the layer takes
  /// quantised activations, else 16-bit blocks.
  public func replyFormat(_ layer: LayerIndex) -> ReplyFormat {
    let formats = formats(layer)
    let isFloat = ExpertProjection.allCases.allSatisfy {
      formats[$0].activationFormat == .float32
    }
    return isFloat ? .float32 : .int16Blocks
  }

  /// Bytes of one partial sum of a routed group of `layer` on the wire.
  public func replyRowByteCount(_ layer: LayerIndex) -> Int {
    replyFormat(layer).byteCount(columns: hiddenSize)
  }

  /// All layers with experts, ascending.
  public var layers: [LayerIndex] { moeLayers.map { LayerIndex($0) } }

  /// All groups of a layer that workers hold, ascending; that of the shared experts is the last.
  public var groups: [GroupIndex] { (0..<placedGroupCount).map { GroupIndex($0) } }
}

/// One of the three matrices of an expert: down(silu(gate x) · up x).
public enum ExpertProjection: String, CaseIterable, Sendable, CustomStringConvertible {
  case gate, up, down

  /// The name.
  public var description: String { rawValue }
}

extension ExpertFormats {
  /// The format of one projection.
  public subscript(_ projection: ExpertProjection) -> ElementFormat {
    switch projection {
    case .gate: gate
    case .up: up
    case .down: down
    }
  }
}

extension ExpertFormats {
  /// Whether gate or up projection takes blocks.
  fileprivate var readsBlocks: Bool {
    gate.activationFormat == .int8Blocks || up.activationFormat == .int8Blocks
  }
}

extension ExpertShape {
  /// Rows of a projection: the elements that it gives.
  public func rows(of projection: ExpertProjection) -> Int {
    projection == .down ? hiddenSize : expertIntermediateSize
  }

  /// Columns of a projection: the elements that it takes.
  public func columns(of projection: ExpertProjection) -> Int {
    projection == .down ? expertIntermediateSize : hiddenSize
  }
}

extension ElementFormat {
  /// Whether weights are stored so; the other formats hold activations.
  var isWeightFormat: Bool { self != .q8_1 && self != .q8K }
}
