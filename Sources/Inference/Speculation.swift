/// Whether drafted tokens are verified beside the next one, several tokens per step.
///
/// The answer is the same either way: each token is drawn as it would be without drafts, and a draft
/// only counts when it is the token that was drawn.
public enum Speculation: Sendable, Equatable {
  /// One token per sequence and step.
  case off
  /// As many drafts as pay, by what steps cost and how many drafts were right before.
  case automatic
  /// Up to this many drafts for each sequence whose text repeats itself, whether they pay or not.
  case fixed(Int)

  /// The most drafts for one sequence in one step.
  public static let mostDrafts = 8

  /// Drafts to look for.
  package var draftLimit: Int {
    switch self {
    case .off: 0
    case .automatic: Self.mostDrafts
    case .fixed(let count): min(max(count, 0), Self.mostDrafts)
    }
  }
}

/// How often the drafts of one sequence were right, by how much of the text they repeated.
package struct DraftAcceptance: Sendable {
  /// What is assumed of a text that has not been tried.
  static let prior = 0.6
  /// How much the newest draft counts.
  private static let share = 0.15
  /// How fast a text that was not worth a try gets another one.
  private static let forgetting = 0.01

  private var chances: [Double] = Array(
    repeating: prior, count: PromptLookup.mostEqual - PromptLookup.fewestEqual + 1)

  package init() {}

  /// The chance of one more token, if those before it are right.
  package func chance(_ draft: PromptLookup) -> Double { chances[Self.index(draft)] }

  /// Takes note of verified drafts: how many were right before one was wrong, if one was.
  package mutating func record(_ draft: PromptLookup, accepted: Int) {
    let index = Self.index(draft)
    for _ in 0..<accepted { chances[index] += Self.share * (1 - chances[index]) }
    if accepted < draft.tokens.count { chances[index] -= Self.share * chances[index] }
  }

  /// Takes note that a draft was not worth verifying.
  package mutating func skip(_ draft: PromptLookup) {
    let index = Self.index(draft)
    chances[index] += Self.forgetting * (Self.prior - chances[index])
  }

  private static func index(_ draft: PromptLookup) -> Int {
    draft.equalCount - PromptLookup.fewestEqual
  }
}

/// The drafts of one step: how many rows more are worth their time; holds no clock.
package struct DraftBudget {
  /// By how much tokens per second must rise, so that noise is not taken for a gain.
  private static let margin = 1.03
  /// Below this chance nothing is tried for the sake of learning its cost.
  private static let worthATry = 0.4

  private let cost: StepCost
  private let speculation: Speculation
  private let limit: Double?
  private var rows: Int
  private var tokens: Double  // expected of the step

  /// A step of `rows` rows that yields `tokens` tokens and may take `limit` seconds.
  package init(
    _ speculation: Speculation, cost: StepCost, rows: Int, tokens: Int, limit: Double? = nil
  ) {
    self.limit = limit
    self.speculation = speculation
    self.cost = cost
    self.rows = rows
    self.tokens = Double(tokens)
  }

  /// How many of up to `count` drafts to verify, each right with `chance` if those before it are.
  package func worth(_ count: Int, chance: Double) -> Int {
    guard case .automatic = speculation else { return count }
    guard let now = cost.seconds(rows: rows), now > 0 else { return 0 }
    if chance >= Self.worthATry, count > 0, !cost.isKnown(rows: rows + count) { return count }
    var best = (count: 0, rate: tokens / now * Self.margin)
    var gain = 0.0
    var power = chance
    for drafts in 0..<count {
      gain += power
      power *= chance
      guard let time = cost.seconds(rows: rows + drafts + 1), time <= limit ?? time else {
        break
      }
      let rate = (tokens + gain) / time
      if rate > best.rate { best = (drafts + 1, rate) }
    }
    return best.count
  }

  /// Takes note that `count` drafts will be verified.
  package mutating func add(_ count: Int, chance: Double) {
    rows += count
    var power = chance
    for _ in 0..<count {
      tokens += power
      power *= chance
    }
  }
}
