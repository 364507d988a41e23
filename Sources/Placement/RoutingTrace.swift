/// The experts that recorded tokens were sent to, in every layer that has experts.
public struct RoutingTrace: Sendable, Hashable {
  /// The first layer with experts.
  public let firstLayer: Int
  /// Layers with experts.
  public let layerCount: Int
  /// Experts of a layer.
  public let expertCount: Int
  /// Experts that a token is sent to.
  public let expertsPerToken: Int
  /// Tokens.
  public private(set) var rowCount = 0
  private(set) var experts: [UInt16] = []  // (rows, layers, expertsPerToken)

  /// The most tokens that a recording keeps: 100 MB for a model like DeepSeek-V3.
  public static let maximumRowCount = 100_000

  /// A recording without tokens yet.
  ///
  /// - Throws: `RoutingTraceError` when the sizes are not those of a model.
  public init(
    firstLayer: Int, layerCount: Int, expertCount: Int, expertsPerToken: Int
  ) throws(RoutingTraceError) {
    guard (0...4096).contains(firstLayer), (1...4096).contains(layerCount),
      (1...4096).contains(expertCount), (1...min(64, expertCount)).contains(expertsPerToken)
    else {
      throw .sizes(
        "\(layerCount) layers from \(firstLayer), \(expertsPerToken) of \(expertCount) experts")
    }
    self.firstLayer = firstLayer
    self.layerCount = layerCount
    self.expertCount = expertCount
    self.expertsPerToken = expertsPerToken
  }

  /// Whether no more tokens are kept.
  public var isFull: Bool { rowCount >= Self.maximumRowCount }

  /// The experts of one token in the layer with index `layer` among those with experts.
  public func experts(row: Int, layer: Int) -> ArraySlice<UInt16> {
    let start = (row * layerCount + layer) * expertsPerToken
    return experts[start..<start + expertsPerToken]
  }

  /// Adds a token.
  ///
  /// - Parameter chosen: Its experts, layer by layer.
  /// - Throws: `RoutingTraceError` when they are not as many, do not exist, or occur twice in a
  ///   layer. Nothing is added then, nor when the recording is full.
  public mutating func append(_ chosen: [UInt16]) throws(RoutingTraceError) {
    guard !isFull else { return }
    guard chosen.count == layerCount * expertsPerToken else {
      throw .experts(row: rowCount, "has \(chosen.count) experts")
    }
    for layer in 0..<layerCount {
      let part = chosen[layer * expertsPerToken..<(layer + 1) * expertsPerToken]
      guard part.allSatisfy({ $0 < expertCount }), Set(part).count == expertsPerToken else {
        throw .experts(
          row: rowCount, "names an expert twice, or one that layer \(firstLayer + layer) lacks")
      }
    }
    experts += chosen
    rowCount += 1
  }

  /// How often each expert was used.
  public var uses: [[Int]] {
    var uses = Array(repeating: Array(repeating: 0, count: expertCount), count: layerCount)
    for (index, expert) in experts.enumerated() {
      uses[index / expertsPerToken % layerCount][Int(expert)] += 1
    }
    return uses
  }

  /// The same as shares.
  public var popularity: ExpertPopularity { ExpertPopularity(uses: uses) }
}

/// Why a recording cannot be used.
public enum RoutingTraceError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Sizes that no model has.
  case sizes(String)
  /// A token with impossible experts.
  case experts(row: Int, String)
  /// Bytes that are no recording.
  case format(String)

  /// What is wrong, without the name of the file.
  public var description: String {
    switch self {
    case .sizes(let text): "the recording is of a model that cannot be: \(text); record again"
    case .experts(let row, let text): "token \(row) of the recording \(text); record again"
    case .format(let text):
      "this is no routing recording: \(text); record one with --record-routing"
    }
  }
}
