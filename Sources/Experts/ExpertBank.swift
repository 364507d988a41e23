public import Kernels

/// The expert groups that this process holds, packed; used by one thread.
public final class ExpertBank {
  /// The experts of the model.
  public let geometry: ExpertGeometry
  /// Bytes of the packed matrices held.
  public private(set) var residentByteCount = 0

  /// layers × groups, those of shared experts included; nil where the group is not held.
  private var groups: [PackedGroup?]
  private var arena = WeightArena()

  /// Groups share an arena up to this size, so that small groups do not waste huge pages, and
  /// memory comes back in pieces of about this size.
  private static let arenaByteCount = 256 << 20

  /// Makes an empty bank.
  public init(geometry: ExpertGeometry) {
    self.geometry = geometry
    groups = Array(repeating: nil, count: geometry.moeLayers.count * geometry.placedGroupCount)
  }
}

extension ExpertBank {
  /// Reads and packs (`layer`, `group`), in place of what was held of it before.
  ///
  /// - Parameters:
  ///   - layer: The layer.
  ///   - group: The group within the layer.
  ///   - source: Where its bytes are.
  ///   - kernels: Who packs.
  ///   - progress: Told the bytes that came since it was last called.
  /// - Throws: What `source` throws, or `KernelError.outOfMemory`; then nothing has changed.
  public func load(
    _ layer: LayerIndex, _ group: GroupIndex, from source: some ExpertSource, kernels: Kernels,
    progress: (Int) -> Void = { _ in }
  ) throws {
    var packer = try makePacker(layer, group, kernels: kernels)
    try packer.fill(from: source, progress: progress)
    insert(try packer.finish())
  }

  /// A packer for (`layer`, `group`) whose result `insert` takes; it may run on another thread.
  ///
  /// - Throws: `KernelError.outOfMemory`.
  public func makePacker(
    _ layer: LayerIndex, _ group: GroupIndex, kernels: Kernels
  ) throws(KernelError) -> GroupPacker {
    let full = arena.byteCount + geometry.byteCount(layer, group) > Self.arenaByteCount
    if full, arena.byteCount > 0 {
      arena = WeightArena()
    }
    return try GroupPacker(geometry, layer: layer, group: group, arena: arena, kernels: kernels)
  }

  /// Adds a packed group, in place of what was held of it before.
  public func insert(_ packed: PackedGroup) {
    unload(packed.layer, packed.group)
    groups[index(packed.layer, packed.group)] = packed
    residentByteCount += packed.byteCount
  }

  /// Lets a group go; its memory comes back with that of the groups loaded next to it.
  public func unload(_ layer: LayerIndex, _ group: GroupIndex) {
    let index = index(layer, group)
    residentByteCount -= groups[index]?.byteCount ?? 0
    groups[index] = nil
  }

  /// Whether (`layer`, `group`) is held.
  public func holds(_ layer: LayerIndex, _ group: GroupIndex) -> Bool {
    geometry.shape.contains(layer) && geometry.contains(group)
      && groups[index(layer, group)] != nil
  }

  /// How many (layer, group) pairs are held.
  public var loadedGroupCount: Int { groups.reduce(0) { $1 == nil ? $0 : $0 + 1 } }

  /// The expert, whose group must be held.
  func expert(_ layer: LayerIndex, _ expert: ExpertID) -> PackedExpert {
    let group = geometry.group(of: expert)
    guard let packed = groups[index(layer, group)] else {
      preconditionFailure("layer \(layer), group \(group) is not held")
    }
    return packed.experts[expert.rawValue - geometry.experts(in: group).lowerBound]
  }

  /// The shared experts of `layer`, whose group must be held.
  func shared(_ layer: LayerIndex) -> PackedExpert {
    guard let id = geometry.sharedExpert else {
      preconditionFailure("this model's shared experts are on the coordinator")
    }
    return expert(layer, id)
  }

  private func index(_ layer: LayerIndex, _ group: GroupIndex) -> Int {
    precondition(geometry.shape.contains(layer) && geometry.contains(group))
    return (layer.rawValue - geometry.moeLayers.lowerBound) * geometry.placedGroupCount
      + group.rawValue
  }
}
