/// The sizes of a model's routed experts, as its configuration gives them.
public struct ExpertShape: Sendable, Hashable {
  /// Elements of a hidden row.
  public let hiddenSize: Int
  /// Rows of an expert's gate and up projections.
  public let expertIntermediateSize: Int
  /// Routed experts of a layer.
  public let expertCount: Int
  /// Experts that a token is sent to.
  public let expertsPerToken: Int
  /// The layers that have routed experts.
  public let moeLayers: Range<Int>
  /// Expert groups of a layer; group g holds experts g·E/n to (g+1)·E/n.
  public let groupCount: Int

  /// Checks the sizes and derives the groups.
  ///
  /// - Parameters:
  ///   - hiddenSize: Elements of a hidden row.
  ///   - expertIntermediateSize: Rows of an expert's gate and up projections.
  ///   - expertCount: Routed experts of a layer.
  ///   - expertsPerToken: Experts that a token is sent to.
  ///   - moeLayers: The layers that have routed experts.
  ///   - modelGroupCount: The model's own `n_group`. More than one: those are the groups.
  ///     Otherwise a layer is cut into eighths, or into single experts when it has fewer.
  /// - Throws: `ExpertError` of kind `geometry` that names the size.
  public init(
    hiddenSize: Int, expertIntermediateSize: Int, expertCount: Int, expertsPerToken: Int,
    moeLayers: Range<Int>, modelGroupCount: Int
  ) throws(ExpertError) {
    try Self.check("hidden size", hiddenSize, 1...1 << 20)
    try Self.check("expert intermediate size", expertIntermediateSize, 1...1 << 20)
    try Self.check("expert count", expertCount, 1...Self.maxExpertCount)
    try Self.check("experts per token", expertsPerToken, 1...min(expertCount, 64))
    try Self.check("first layer with experts", moeLayers.lowerBound, 0...Self.maxLayerCount)
    try Self.check("layer count", moeLayers.upperBound, 0...Self.maxLayerCount)
    try Self.check("expert group count", modelGroupCount, 0...expertCount)
    guard modelGroupCount < 2 || expertCount % modelGroupCount == 0 else {
      throw ExpertError(
        .geometry,
        "\(expertCount) experts do not divide into \(modelGroupCount) expert groups; "
          + "the model's configuration is damaged")
    }
    self.hiddenSize = hiddenSize
    self.expertIntermediateSize = expertIntermediateSize
    self.expertCount = expertCount
    self.expertsPerToken = expertsPerToken
    self.moeLayers = moeLayers
    groupCount = modelGroupCount > 1 ? modelGroupCount : min(8, expertCount)
  }

  /// The largest number of experts that a layer may have.
  public static let maxExpertCount = 4096
  /// The largest number of layers that a model may have.
  public static let maxLayerCount = 4096

  private static func check(
    _ name: String, _ value: Int, _ range: ClosedRange<Int>
  ) throws(ExpertError) {
    guard range.contains(value) else {
      throw ExpertError(
        .geometry,
        "\(name) \(value) is not in \(range.lowerBound) to \(range.upperBound); "
          + "the model's configuration is damaged")
    }
  }
}

extension ExpertShape {
  /// Groups that one token's experts can lie in, at most.
  public var maxGroupsPerToken: Int { min(expertsPerToken, groupCount) }

  /// Whether `layer` has routed experts.
  public func contains(_ layer: LayerIndex) -> Bool { moeLayers.contains(layer.rawValue) }

  /// Whether `group` is one of routed experts.
  public func contains(_ group: GroupIndex) -> Bool {
    group.rawValue >= 0 && group.rawValue < groupCount
  }

  /// The experts of `group`, consecutive, never empty.
  public func experts(in group: GroupIndex) -> Range<Int> {
    precondition(contains(group))
    let start = group.rawValue * expertCount / groupCount
    return start..<(group.rawValue + 1) * expertCount / groupCount
  }

  /// The group that holds `expert`.
  public func group(of expert: ExpertID) -> GroupIndex {
    precondition(expert.rawValue >= 0 && expert.rawValue < expertCount)
    // The largest g with g·E/n ≤ e, that is with g·E < (e + 1)·n.
    return GroupIndex(((expert.rawValue + 1) * groupCount - 1) / expertCount)
  }
}
