public import Experts

/// Which workers hold each expert group of each layer: a plain value, changed only between steps.
public struct PlacementPlan: Sendable, Hashable {
  /// Counts the plans of a cluster; a newer plan has a larger epoch.
  public let epoch: UInt64
  /// The layers that have experts.
  public let moeLayers: Range<Int>
  /// Groups of each layer, that of shared experts included where workers hold them.
  public let groupCount: Int
  /// layers × groups: the workers that hold the group, the first one preferred.
  private var replicas: [[WorkerID]]

  /// A plan in which nobody holds anything.
  public init(epoch: UInt64, geometry: ExpertGeometry) {
    self.epoch = epoch
    moeLayers = geometry.moeLayers
    groupCount = geometry.placedGroupCount
    replicas = Array(repeating: [], count: moeLayers.count * groupCount)
  }

  /// The workers that hold (`layer`, `group`), the first one preferred; empty if nobody does.
  public subscript(_ layer: LayerIndex, _ group: GroupIndex) -> [WorkerID] {
    get { replicas[index(layer, group)] }
    set { replicas[index(layer, group)] = newValue }
  }

  private func index(_ layer: LayerIndex, _ group: GroupIndex) -> Int {
    precondition(moeLayers.contains(layer.rawValue))
    precondition(group.rawValue >= 0 && group.rawValue < groupCount)
    return (layer.rawValue - moeLayers.lowerBound) * groupCount + group.rawValue
  }
}

/// One unit of placement: an expert group of a layer.
public struct PlacementUnit: Sendable, Hashable {
  /// The layer.
  public let layer: LayerIndex
  /// The group within the layer.
  public let group: GroupIndex

  /// Names (`layer`, `group`).
  public init(layer: LayerIndex, group: GroupIndex) {
    self.layer = layer
    self.group = group
  }
}

extension PlacementPlan {
  /// All units, layer by layer.
  public var units: [PlacementUnit] {
    moeLayers.flatMap { layer in
      (0..<groupCount).map { PlacementUnit(layer: LayerIndex(layer), group: GroupIndex($0)) }
    }
  }

  /// What `worker` holds, layer by layer.
  public func units(of worker: WorkerID) -> [PlacementUnit] {
    units.filter { self[$0.layer, $0.group].contains(worker) }
  }

  /// Every worker that holds something, ascending.
  public var workers: [WorkerID] { Set(replicas.joined()).sorted() }

  /// Whether every group of every layer has a worker.
  public var isComplete: Bool { replicas.allSatisfy { !$0.isEmpty } }

  /// Bytes of the experts that `worker` holds.
  public func byteCount(of worker: WorkerID, _ geometry: ExpertGeometry) -> Int {
    units(of: worker).reduce(0) { $0 + geometry.byteCount($1.layer, $1.group) }
  }
}
