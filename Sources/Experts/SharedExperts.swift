internal import Kernels
internal import Tensors

/// The shared experts of every layer as one more expert group that each row uses, with weight 1.
///
/// Described only where workers hold them. The group stands after the routed ones, its partial sums
/// travel in float32, and they are added last: the bits are those of a coordinator that computes
/// shared experts itself.
public struct SharedExperts: Sendable, Hashable {
  /// Rows of their joint gate and up projections.
  public let intermediateSize: Int
  /// The formats of each layer of `moeLayers`, in order.
  public let layerFormats: [ExpertFormats]

  /// Names width and formats.
  public init(intermediateSize: Int, layerFormats: [ExpertFormats]) {
    self.intermediateSize = intermediateSize
    self.layerFormats = layerFormats
  }
}

extension ExpertGeometry {
  /// The group of the shared experts, after all routed ones; nil when workers hold none.
  public var sharedGroup: GroupIndex? { shared.map { _ in GroupIndex(groupCount) } }

  /// The shared experts as one expert, after all routed ones; nil when workers hold none.
  public var sharedExpert: ExpertID? { shared.map { _ in ExpertID(expertCount) } }

  /// Whether `group` is that of the shared experts.
  public func isShared(_ group: GroupIndex) -> Bool { group == sharedGroup }

  /// Groups of a layer that workers hold: the routed ones, and that of the shared experts.
  public var placedGroupCount: Int { groupCount + (shared == nil ? 0 : 1) }

  /// Experts that a row of a dispatched batch uses.
  public var entriesPerToken: Int { expertsPerToken + (shared == nil ? 0 : 1) }

  /// Experts of a layer that workers hold, the shared ones counted as one.
  public var placedExpertCount: Int { expertCount + (shared == nil ? 0 : 1) }

  /// What an expert costs, in routed experts.
  public func useCount(of expert: ExpertID) -> Int {
    guard let shared, expert == sharedExpert else { return 1 }
    return max(1, (shared.intermediateSize + expertIntermediateSize / 2) / expertIntermediateSize)
  }

  /// Bytes that one row makes the holder of a group read on average, if all experts are equally
  /// popular, times the routed experts of a layer, so that they are a whole number.
  public func readWeight(_ layer: LayerIndex, _ group: GroupIndex) -> Double {
    Double(byteCount(layer, group)) * Double(isShared(group) ? expertCount : expertsPerToken)
  }

  /// Bytes of the shared experts' partial sum of one row on the wire.
  public var sharedReplyRowByteCount: Int { hiddenSize * 4 }

  /// Finds out what keeps shared experts from reading the rows that routed ones are sent.
  func checkShared() throws(ExpertError) {
    guard let shared else { return }
    guard (1...1 << 20).contains(shared.intermediateSize), entriesPerToken <= 64,
      placedGroupCount <= GroupSet.limit
    else {
      throw ExpertError(
        .geometry,
        "shared experts \(shared.intermediateSize) wide beside \(groupCount) groups of which a token "
          + "uses \(expertsPerToken) experts cannot go to workers; leave them on the coordinator")
    }
    guard shared.layerFormats.count == moeLayers.count else {
      throw ExpertError(
        .geometry,
        "\(shared.layerFormats.count) layers of shared formats for \(moeLayers.count) layers with "
          + "experts; update the older side")
    }
    for (layer, formats) in zip(layers, shared.layerFormats) {
      try checkBlocks(formats, layer, sharedGroup)
      guard inputFormat(layer) == .int8Blocks else { continue }
      for projection in [ExpertProjection.gate, .up]
      where formats[projection].activationFormat != .int8Blocks {
        throw ExpertError(
          .geometry,
          "layer \(layer): the \(projection) projection of the shared experts, "
            + "\(formats[projection].name), takes other activations than the routed experts, so "
            + "workers would need both; leave shared experts on the coordinator")
      }
    }
  }
}
