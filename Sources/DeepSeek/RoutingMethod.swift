/// Whose rule decides where engines disagree on the same file.
///
/// They disagree on softmax models with expert groups (DeepSeek-V2 236B): the published model code
/// scores a group by its best expert, llama.cpp by the sum of its two best, and llama.cpp uses no
/// groups when the file has no group keys.
public enum RoutingRule: String, Sendable, CaseIterable {
  /// The rule of the published model code; the default.
  case huggingFace = "hf"
  /// llama.cpp's rule, for comparison with it on the same file.
  case llamaCpp = "llama.cpp"
}

/// How the router turns its logits into experts and weights.
///
/// - Source: DeepSeek-V2 (arXiv:2405.04434) §2.2, DeepSeek-V3 (arXiv:2412.19437) §2.1.2.
public struct RoutingMethod: Sendable, Equatable {
  /// Logits to scores.
  public enum Scoring: Sendable, Equatable {
    /// Softmax over all experts (V2).
    case softmax
    /// Sigmoid of each expert (V3).
    case sigmoid
  }

  /// What a group of experts is worth.
  public enum GroupScore: Sendable, Equatable {
    /// Its best expert (V2).
    case best
    /// The sum of its two best experts (V3).
    case twoBest
  }

  /// Logits to scores.
  public var scoring: Scoring
  /// Whether a learned bias is added to the scores while choosing, and only then.
  public var usesSelectionBias: Bool
  /// Groups of consecutive experts; 1 when there are none.
  public var groupCount: Int
  /// Groups that a token may use.
  public var selectedGroupCount: Int
  /// What a group is worth.
  public var groupScore: GroupScore
  /// Whether the chosen weights are divided by their sum (plus 1e-20).
  public var normalizesWeights: Bool
  /// Factor on the chosen weights, after normalising.
  public var weightScale: Float

  /// Plain top-k of softmax scores, weighted by the scores.
  public init(scoring: Scoring = .softmax) {
    self.scoring = scoring
    usesSelectionBias = false
    groupCount = 1
    selectedGroupCount = 1
    groupScore = .best
    normalizesWeights = false
    weightScale = 1
  }
}

extension RoutingMethod {
  /// The groups of published models whose older GGUF files do not name them.
  ///
  /// DeepSeek-V2 is the only softmax model of 160 experts, DeepSeek-V3 the only sigmoid one of 256.
  static func impliedGroups(
    experts: Int, scoring: Scoring, rule: RoutingRule
  ) -> (count: Int, selected: Int) {
    switch (rule, scoring, experts) {
    case (.huggingFace, .softmax, 160): (8, 3)
    case (.huggingFace, .sigmoid, 256): (8, 4)
    default: (1, 1)
    }
  }

  /// What is wrong with the groups; nil when experts can be chosen.
  func problem(experts: Int, used: Int) -> String? {
    guard experts % groupCount == 0 else {
      return "is \(groupCount), which does not divide \(experts) experts"
    }
    guard (1...groupCount).contains(selectedGroupCount) else {
      return "is \(groupCount), but \(selectedGroupCount) groups are to be used"
    }
    guard used <= selectedGroupCount * (experts / groupCount) else {
      return
        "is \(groupCount), so that \(selectedGroupCount) groups hold fewer than \(used) experts"
    }
    guard groupScore == .best || groupCount == 1 || experts / groupCount >= 2 else {
      return "is \(groupCount), so that a group has no two experts to score it by"
    }
    return nil
  }

  /// Engines disagree about normalised softmax weights, and no published model has them.
  ///
  /// llama.cpp normalises and scales; the published code normalises instead of scaling, or not.
  func normalizationProblem(rule: RoutingRule) -> String? {
    guard normalizesWeights, scoring == .softmax, rule == .huggingFace else { return nil }
    return "is true with softmax scores, which engines read differently; "
      + "choose llama.cpp's routing rule to normalise and scale"
  }
}
