import Tokenization

/// Puts a grammar together: rules are graphs of nodes, joined by what is read between them.
///
/// A request's schema, with the patterns in it, becomes a graph of bounded size, and ways to read a text
/// are followed side by side: nothing is tried and taken back.
struct GrammarBuilder {
  /// A place in a rule.
  struct Node: Hashable {
    let index: Int32
  }

  /// A rule, to be called from others.
  struct Rule: Hashable {
    let index: Int
  }

  private struct Place {
    var edges: [Grammar.Edge] = []
    var calls: [(rule: Rule, target: Int32)] = []
    var jumps: [Int32] = []
    let rule: Int
  }

  private struct RuleGraph {
    var start: Node?
    var end: Node?
    let isContainer: Bool
  }

  /// More than any sensible schema needs; keeps a hostile one cheap.
  static let nodeLimit = 40_000
  static let edgeLimit = 400_000
  /// Steps over nodes between which nothing is read.
  static let jumpLimit = 1_000_000

  private var places: [Place] = []
  private var rules: [RuleGraph] = []
  private var marks: Set<TokenID> = []
  var shared: [SharedRule: Rule] = [:]
  var characters: [ScalarSet: Rule] = [:]

  init() {}

  /// A new rule without nodes; `isContainer` when it reads an object or an array.
  mutating func rule(isContainer: Bool = false) -> Rule {
    rules.append(RuleGraph(isContainer: isContainer))
    return Rule(index: rules.count - 1)
  }

  /// A new node of a rule.
  mutating func node(in rule: Rule) -> Node {
    places.append(Place(rule: rule.index))
    return Node(index: Int32(places.count - 1))
  }

  /// Where the rule starts and ends.
  mutating func define(_ rule: Rule, from start: Node, to end: Node) {
    rules[rule.index].start = start
    rules[rule.index].end = end
  }

  /// Nothing is read between the nodes.
  mutating func jump(from start: Node, to end: Node) {
    places[Int(start.index)].jumps.append(end.index)
  }

  /// One byte of a range.
  mutating func read(_ bytes: ClosedRange<UInt8>, from start: Node, to end: Node) {
    places[Int(start.index)].edges.append(
      Grammar.Edge(
        first: Grammar.Symbol(bytes.lowerBound), last: Grammar.Symbol(bytes.upperBound),
        target: end.index))
  }

  /// A token that writes no text.
  mutating func read(mark: TokenID, from start: Node, to end: Node) {
    marks.insert(mark)
    let symbol = Grammar.symbol(mark)
    places[Int(start.index)].edges.append(
      Grammar.Edge(first: symbol, last: symbol, target: end.index))
  }

  /// These bytes one after another.
  mutating func read(_ text: some Collection<UInt8>, from start: Node, to end: Node) {
    guard !text.isEmpty else { return jump(from: start, to: end) }
    let rule = Rule(index: places[Int(start.index)].rule)
    var place = start
    for (offset, byte) in text.enumerated() {
      let next = offset == text.count - 1 ? end : node(in: rule)
      read(byte...byte, from: place, to: next)
      place = next
    }
  }

  /// What a rule reads.
  mutating func call(_ rule: Rule, from start: Node, to end: Node) {
    places[Int(start.index)].calls.append((rule, end.index))
  }

  /// Whether the limits still hold; to be asked while a graph of unknown size grows.
  var isWithinLimits: Bool { places.count <= Self.nodeLimit }
}

/// Why nothing can be written by a grammar.
enum GrammarError: Error, Equatable {
  /// More nodes or edges than are allowed.
  case tooLarge
  /// A rule starts with itself.
  case startsWithItself
  /// No text of finite length and allowed depth fits.
  case cannotEnd
}

extension GrammarBuilder {
  /// The grammar of all texts that `root` reads.
  func build(_ root: Rule) throws(GrammarError) -> Grammar {
    guard isWithinLimits else { throw .tooLarge }
    var states: [Grammar.State] = []
    states.reserveCapacity(places.count)
    var edgeCount = 0
    var jumpCount = 0
    let mayBeEmpty = emptyRules()
    var closure = Closure(places)
    for index in places.indices {
      let nodes = closure.nodes(from: Int32(index), skipping: mayBeEmpty)
      jumpCount += nodes.count
      guard jumpCount <= Self.jumpLimit else { throw .tooLarge }
      let state = flattened(nodes, of: rules[places[index].rule])
      edgeCount += state.edges.count + state.calls.count
      guard edgeCount <= Self.edgeLimit else { throw .tooLarge }
      states.append(state)
    }
    guard let start = rules[root.index].start?.index else { throw .cannotEnd }
    try refuseEndlessCalls(states)
    findNeededDepths(&states)
    guard levels(states, start) + Int(states[Int(start)].neededDepth) <= Grammar.depthLimit else {
      throw .cannotEnd
    }
    dropDeadEnds(&states)
    return Grammar(states: states, start: start, marks: marks.sorted())
  }

  /// The rules that can be left without reading.
  private func emptyRules() -> Set<Int> {
    var empty: Set<Int> = []
    var closure = Closure(places)
    while true {
      let more = rules.indices.filter { index in
        guard !empty.contains(index), let start = rules[index].start, let end = rules[index].end
        else { return false }
        return closure.nodes(from: start.index, skipping: empty).contains(end.index)
      }
      guard !more.isEmpty else { return empty }
      empty.formUnion(more)
    }
  }

  /// Finds a node and those that follow it without reading; takes the same memory each time.
  private struct Closure {
    private let places: [Place]
    private var found: [Int32] = []
    private var foundIn: [Int]  // the last search that came by a node
    private var search = 0

    init(_ places: [Place]) {
      self.places = places
      foundIn = [Int](repeating: 0, count: places.count)
    }

    /// All of them; rules that may be empty are passed over.
    mutating func nodes(from node: Int32, skipping mayBeEmpty: Set<Int>) -> [Int32] {
      search += 1
      found.removeAll(keepingCapacity: true)
      add(node)
      var index = 0
      while index < found.count {
        let place = Int(found[index])
        for target in places[place].jumps { add(target) }
        for call in places[place].calls where mayBeEmpty.contains(call.rule.index) {
          add(call.target)
        }
        index += 1
      }
      return found
    }

    private mutating func add(_ node: Int32) {
      guard foundIn[Int(node)] != search else { return }
      foundIn[Int(node)] = search
      found.append(node)
    }
  }

  /// What can be read next from one of the nodes, which follow one another without reading.
  private func flattened(_ nodes: [Int32], of rule: RuleGraph) -> Grammar.State {
    var state = Grammar.State(isInContainer: rule.isContainer)
    for node in nodes {
      let place = places[Int(node)]
      state.edges += place.edges
      for call in place.calls {
        guard let start = rules[call.rule.index].start else { continue }
        state.calls.append(Grammar.Call(start: start.index, target: call.target))
      }
      if rule.end?.index == node { state.isFinal = true }
    }
    return state
  }

  private func levels(_ states: [Grammar.State], _ state: Int32) -> Int {
    states[Int(state)].isInContainer ? 1 : 0
  }

  /// Shortest ways to the end, measured in nesting; what stays at the maximum cannot end.
  private func findNeededDepths(_ states: inout [Grammar.State]) {
    var users = [[Int32]](repeating: [], count: states.count)  // whose need depends on a state
    for (index, state) in states.enumerated() {
      let user = Int32(truncatingIfNeeded: index)
      for edge in state.edges where users[Int(edge.target)].last != user {
        users[Int(edge.target)].append(user)
      }
      for call in state.calls {
        users[Int(call.start)].append(user)
        users[Int(call.target)].append(user)
      }
    }
    var changed = states.indices.filter { states[$0].isFinal }.map { Int32(truncatingIfNeeded: $0) }
    for index in changed { states[Int(index)].neededDepth = 0 }
    // A need is at most the number of rules, and falls each time: this ends soon.
    while let state = changed.popLast() {
      for user in users[Int(state)] where states[Int(user)].neededDepth > 0 {
        let need = neededDepth(of: states[Int(user)], states)
        guard need < states[Int(user)].neededDepth else { continue }
        states[Int(user)].neededDepth = need
        changed.append(user)
      }
    }
  }

  private func neededDepth(of state: Grammar.State, _ states: [Grammar.State]) -> Int32 {
    var least = Int32.max
    for edge in state.edges { least = min(least, states[Int(edge.target)].neededDepth) }
    for call in state.calls {
      let inner = states[Int(call.start)].neededDepth
      let outer = states[Int(call.target)].neededDepth
      guard inner < .max, outer < .max else { continue }
      least = min(least, max(inner + Int32(levels(states, call.start)), outer))
    }
    return least
  }

  private func dropDeadEnds(_ states: inout [Grammar.State]) {
    let needs = states.map(\.neededDepth)
    for index in states.indices {
      states[index].edges.removeAll { needs[Int($0.target)] == .max }
      states[index].calls.removeAll {
        needs[Int($0.target)] == .max || needs[Int($0.start)] == .max
      }
    }
  }

  /// Fails when reading could call rules for ever without reading anything.
  private func refuseEndlessCalls(_ states: [Grammar.State]) throws(GrammarError) {
    enum Mark { case open, done }
    var marks: [Int32: Mark] = [:]
    // Depth first without recursion: a hostile schema may chain thousands of rules.
    for root in states.indices where marks[Int32(root)] == nil {
      var path: [(state: Int32, next: [Int32])] = [(Int32(root), successors(states, Int32(root)))]
      marks[Int32(root)] = .open
      while let last = path.indices.last {
        guard let target = path[last].next.popLast() else {
          marks[path[last].state] = .done
          path.removeLast()
          continue
        }
        switch marks[target] {
        case .done: break
        case .open: throw .startsWithItself
        case nil:
          marks[target] = .open
          path.append((target, successors(states, target)))
        }
      }
    }
  }

  /// The states that are reached without reading: called rules, and what follows rules that may
  /// be empty.
  private func successors(_ states: [Grammar.State], _ state: Int32) -> [Int32] {
    states[Int(state)].calls.flatMap { call in
      states[Int(call.start)].isFinal ? [call.start, call.target] : [call.start]
    }
  }
}
