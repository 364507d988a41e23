internal import DeepSeek
internal import Foundation
internal import Experts
public import Placement

/// Which experts tokens choose: by chance, by chance with favourites, or as recorded.
public struct ExpertDraws: Sendable {
  private let expertCount: Int
  private let usedCount: Int
  private let routing: RoutingMethod
  private let popularity: ExpertPopularity?
  private let trace: RoutingTrace?

  /// Draws by chance, favouring the popular experts if it is known which they are.
  public init?(_ model: PlannedModel, popularity: ExpertPopularity? = nil) {
    self.init(model, popularity: popularity, trace: nil)
  }

  /// Draws tokens of a recording, each with the experts that it used in all layers.
  public init?(_ model: PlannedModel, trace: RoutingTrace) {
    self.init(model, popularity: trace.popularity, trace: trace)
  }

  private init?(_ model: PlannedModel, popularity: ExpertPopularity?, trace: RoutingTrace?) {
    guard let experts = model.experts, let routing = model.routing else { return nil }
    expertCount = experts.expertCount
    usedCount = experts.expertsPerToken
    self.routing = routing
    self.popularity = popularity
    self.trace = trace.flatMap { $0.rowCount > 0 ? $0 : nil }
  }

  /// What a drawing needs room for.
  struct Scratch {
    var keys: [Double]
    var chosen: [Int]
    var groups: [(key: Double, group: Int)] = []
  }

  func makeScratch() -> Scratch {
    Scratch(keys: Array(repeating: 0, count: expertCount), chosen: [])
  }

  /// The experts of one token in the layer with index `layer` among those with experts, ascending.
  func draw(
    layer: Int, random: inout SeededRandom, scratch: inout Scratch
  ) -> [Int] {
    if let trace {
      let row = Int(random.next() % UInt64(trace.rowCount))
      return trace.experts(row: row, layer: layer).map { Int($0) }.sorted()
    }
    // Exponential races: the smallest keys win, each expert in proportion to its popularity.
    let shares = popularity?.shares(layer: layer)
    for expert in 0..<expertCount {
      let unit = random.unit()
      scratch.keys[expert] =
        shares.map { -log(unit) / max($0[$0.startIndex + expert], 1e-12) } ?? unit
    }
    scratch.chosen.removeAll(keepingCapacity: true)
    if routing.groupCount > 1 {
      limitGroups(&scratch)
    } else {
      for expert in 0..<expertCount { take(expert, &scratch) }
    }
    return scratch.chosen.sorted()
  }

  /// Chooses among the experts of the best groups only.
  private func limitGroups(_ scratch: inout Scratch) {
    let size = expertCount / routing.groupCount
    scratch.groups.removeAll(keepingCapacity: true)
    for group in 0..<routing.groupCount {
      var (first, second) = (Double.infinity, Double.infinity)
      for expert in group * size..<(group + 1) * size {
        let key = scratch.keys[expert]
        if key < first { (first, second) = (key, first) } else { second = min(second, key) }
      }
      let key = routing.groupScore == .best || size < 2 ? first : first + second
      scratch.groups.append((key, group))
    }
    scratch.groups.sort { ($0.key, $0.group) < ($1.key, $1.group) }
    for (_, group) in scratch.groups.prefix(routing.selectedGroupCount) {
      for expert in group * size..<(group + 1) * size { take(expert, &scratch) }
    }
  }

  /// Keeps `expert` if it is among the best so far; the worst of them stands last.
  private func take(_ expert: Int, _ scratch: inout Scratch) {
    let key = scratch.keys[expert]
    if scratch.chosen.count == usedCount {
      guard let last = scratch.chosen.last, key < scratch.keys[last] else { return }
      scratch.chosen.removeLast()
    }
    let place = scratch.chosen.firstIndex { key < scratch.keys[$0] } ?? scratch.chosen.endIndex
    scratch.chosen.insert(expert, at: place)
  }
}
