package import Experts

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

  /// A table in which nobody holds anything.
  package init(_ geometry: ExpertGeometry) {
    firstLayer = geometry.moeLayers.lowerBound
    groupCount = geometry.groupCount
    holders = Array(repeating: [], count: geometry.moeLayers.count * groupCount)
    preferred = geometry.layers.map { _ in Array(repeating: -1, count: geometry.groupCount) }
    gapCount = holders.count
  }

  /// Replaces who holds what, and the number of links; links keep their states.
  ///
  /// - Parameters:
  ///   - holders: For each layer and group, layer by layer, the links that hold it.
  ///   - linkCount: How many links there are.
  package mutating func replace(holders: [[Int]], linkCount: Int) {
    precondition(holders.count == self.holders.count)
    self.holders = holders
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
