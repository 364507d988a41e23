/// Chooses experts from scores: groups first, then experts, then weights.
///
/// Larger values come first, and the lower index where they are equal, for groups and for experts.
/// - Source: DeepSeek-V2 (arXiv:2405.04434) §2.2.3, DeepSeek-V3 (arXiv:2412.19437) §2.1.2.
package struct ExpertSelector: Sendable {
  private let method: RoutingMethod
  private let expertCount: Int
  private let expertsPerToken: Int
  private let bias: [Float]  // (experts), or empty

  /// Working memory of a choice.
  package struct Scratch {
    fileprivate var choice: [Float]  // (experts): what the choice is made by
    fileprivate var isOpen: [Bool]  // (experts): may still be chosen
    fileprivate var groupScores: [Float]  // (groups)
  }

  /// Prepares for one router; `bias` is added to the scores while choosing, empty if there is none.
  package init(method: RoutingMethod, expertCount: Int, expertsPerToken: Int, bias: [Float]) {
    precondition(bias.isEmpty || bias.count == expertCount)
    precondition(method.problem(experts: expertCount, used: expertsPerToken) == nil)
    self.method = method
    self.expertCount = expertCount
    self.expertsPerToken = expertsPerToken
    self.bias = bias
  }

  /// Working memory that `select` needs.
  package func makeScratch() -> Scratch {
    Scratch(
      choice: Array(repeating: 0, count: expertCount),
      isOpen: Array(repeating: true, count: expertCount),
      groupScores: Array(repeating: 0, count: method.groupCount))
  }

  /// Picks the experts of one token.
  ///
  /// - Parameters:
  ///   - scores: softmax or sigmoid of the router's logits (experts).
  ///   - scratch: working memory from `makeScratch`.
  ///   - ids: receives the experts in falling order of their choice value (expertsPerToken).
  ///   - weights: receives their weights, normalised and scaled (expertsPerToken).
  package func select(
    _ scores: Span<Float>, scratch: inout Scratch, ids: inout MutableSpan<Int32>,
    weights: inout MutableSpan<Float>
  ) {
    for expert in 0..<expertCount {
      scratch.choice[expert] = bias.isEmpty ? scores[expert] : scores[expert] + bias[expert]
      scratch.isOpen[expert] = true
    }
    closeWeakGroups(&scratch)
    var sum: Float = 0
    for rank in 0..<expertsPerToken {
      let expert = scratch.takeBestExpert()
      ids[rank] = Int32(expert)
      weights[rank] = scores[expert]
      sum += scores[expert]
    }
    for rank in 0..<expertsPerToken {
      let weight = method.normalizesWeights ? weights[rank] / (sum + 1e-20) : weights[rank]
      weights[rank] = weight * method.weightScale
    }
  }

  private func closeWeakGroups(_ scratch: inout Scratch) {
    guard method.groupCount > 1 else { return }
    let size = expertCount / method.groupCount
    for group in 0..<method.groupCount {
      let experts = group * size..<(group + 1) * size
      scratch.groupScores[group] = score(of: experts, scratch)
    }
    for _ in method.selectedGroupCount..<method.groupCount {
      scratch.closeWeakestGroup(size: size)
    }
  }

  private func score(of experts: Range<Int>, _ scratch: Scratch) -> Float {
    var first = -Float.infinity
    var second = -Float.infinity
    for expert in experts {
      let value = scratch.choice[expert]
      if value > first {
        (first, second) = (value, first)
      } else if value > second {
        second = value
      }
    }
    return method.groupScore == .best ? first : first + second
  }
}

extension ExpertSelector.Scratch {
  fileprivate mutating func takeBestExpert() -> Int {
    var best = -1
    for expert in choice.indices where isOpen[expert] {
      if best < 0 || choice[expert] > choice[best] { best = expert }
    }
    isOpen[best] = false
    return best
  }

  fileprivate mutating func closeWeakestGroup(size: Int) {
    var worst = -1
    for group in groupScores.indices where isOpen[group * size] {
      if worst < 0 || groupScores[group] <= groupScores[worst] { worst = group }
    }
    for expert in worst * size..<(worst + 1) * size { isOpen[expert] = false }
  }
}
