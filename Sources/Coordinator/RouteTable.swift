package import Experts
import Placement

/// Which links answer for each expert group, as the engine's thread sees it: a plain value.
package struct RouteTable: Equatable {
  /// How a link is.
  package enum State: Equatable {
    /// It answers.
    case live
    /// It is late with an answer: others are asked while there are any.
    case suspect
    /// It is gone for good.
    case lost
  }

  private let firstLayer: Int
  private let groupCount: Int
  private var holders: [[Int]]  // layers × groups: links, the preferred one first
  /// The state of each link.
  package private(set) var states: [State] = []
  /// By MoE layer: for each group the link to ask, or −1.
  package private(set) var preferred: [[Int]]
  /// Groups that no link answers for.
  package private(set) var gapCount = 0
  /// layers × groups: the links that may be chosen among.
  private var candidates: [[Int]]
  /// By MoE layer: whether some group has several.
  private var hasChoice: [Bool]
  private var secondsPerUse: [Double] = []  // by link
  private var choice: ReplicaChoice

  /// A table in which nobody holds anything.
  package init(_ geometry: ExpertGeometry) {
    firstLayer = geometry.moeLayers.lowerBound
    groupCount = geometry.placedGroupCount
    holders = Array(repeating: [], count: geometry.moeLayers.count * groupCount)
    preferred = Array(
      repeating: Array(repeating: -1, count: geometry.placedGroupCount),
      count: geometry.moeLayers.count)
    gapCount = holders.count
    candidates = holders
    hasChoice = geometry.layers.map { _ in false }
    choice = ReplicaChoice(groupCount: groupCount)
  }

  /// Replaces who holds what, and the number of links; links keep their states.
  ///
  /// - Parameters:
  ///   - holders: For each layer and group, layer by layer, the links that hold it.
  ///   - linkCount: How many links there are.
  ///   - secondsPerUse: How long the worker of each link takes for one expert; empty: equally long.
  package mutating func replace(holders: [[Int]], linkCount: Int, secondsPerUse: [Double] = []) {
    precondition(holders.count == self.holders.count)
    self.holders = holders
    self.secondsPerUse =
      secondsPerUse.count == linkCount ? secondsPerUse : Array(repeating: 1e-4, count: linkCount)
    while states.count < linkCount { states.append(.live) }
    prefer()
  }

  /// A link is used for another worker now.
  package mutating func renew(_ link: Int) {
    for index in holders.indices { holders[index].removeAll { $0 == link } }
    states[link] = .live
    prefer()
  }

  /// Changes the state of a link; a lost one stays lost.
  package mutating func set(_ link: Int, _ state: State) {
    guard states[link] != state, states[link] != .lost else { return }
    states[link] = state
    prefer()
  }

  private mutating func prefer() {
    gapCount = 0
    for layer in preferred.indices {
      for group in 0..<groupCount {
        let best = holder(
          of: LayerIndex(firstLayer + layer), GroupIndex(group), asksSuspects: true
        ) { _ in true }
        preferred[layer][group] = best ?? -1
        if best == nil { gapCount += 1 }
      }
    }
    for index in holders.indices {
      let live = holders[index].filter { states[$0] == .live }
      let best = preferred[index / groupCount][index % groupCount]
      candidates[index] = live.isEmpty && best >= 0 ? [best] : live
    }
    for layer in hasChoice.indices {
      let row = layer * groupCount
      hasChoice[layer] = candidates[row..<row + groupCount].contains { $0.count > 1 }
    }
  }

  /// Whether some group of a layer may be computed by one of several links.
  package func hasChoice(_ layer: LayerIndex) -> Bool { hasChoice[layer.rawValue - firstLayer] }

  /// By group the link to ask in one call, so that it takes least time; −1 for groups without use.
  ///
  /// - Parameters:
  ///   - layer: The layer.
  ///   - uses: By group, how many experts the call uses of it.
  /// - Returns: A link for each group.
  package mutating func assignment(_ layer: LayerIndex, uses: [Int]) -> [Int] {
    _ = choice.choose(
      uses: uses, holders: candidates, from: (layer.rawValue - firstLayer) * groupCount,
      secondsPerUse: secondsPerUse)
    return choice.chosen
  }

  /// A live link other than `link` that holds all of `groups`.
  package func twin(of link: Int, _ layer: LayerIndex, _ groups: GroupSet) -> Int? {
    let row = (layer.rawValue - firstLayer) * groupCount
    return states.indices.first { other in
      other != link && states[other] == .live
        && (0..<groupCount).allSatisfy {
          !groups.contains(GroupIndex($0)) || holders[row + $0].contains(other)
        }
    }
  }

  /// The best link to ask for a group: live before suspect, then by preference.
  package func holder(
    of layer: LayerIndex, _ group: GroupIndex, asksSuspects: Bool, where isFree: (Int) -> Bool
  ) -> Int? {
    let row = holders[(layer.rawValue - firstLayer) * groupCount + group.rawValue]
    if let live = row.first(where: { states[$0] == .live && isFree($0) }) { return live }
    return asksSuspects ? row.first { states[$0] == .suspect && isFree($0) } : nil
  }
}
