import Foundation
import Tensors
public import Tokenization

extension TextGenerator {
  /// Rows of logits held at once where all are wanted; bounds the memory of large vocabularies.
  private var logitRows: Int { min(model.maxStepRows, 64) }

  /// The logits of every position of a sequence.
  ///
  /// - Parameters:
  ///   - tokens: The whole sequence, exactly as the model shall see it.
  ///   - onRow: Called with each position and its logits (vocabulary), in order.
  /// - Throws: `InferenceError`.
  public func logits(
    _ tokens: [TokenID], onRow: (Int, Span<Float>) -> Void
  ) throws(InferenceError) {
    try limits.validate(tokens)
    guard tokens.count <= contextLength else {
      throw .contextExceeded(promptTokens: tokens.count, maxTokens: 0, context: contextLength)
    }
    var rows = FloatMatrix(rows: min(logitRows, tokens.count), columns: model.vocabularySize)
    forget(from: 0)
    for start in stride(from: 0, to: tokens.count, by: rows.rows) {
      let range = start..<min(start + rows.rows, tokens.count)
      try run(tokens, range, wanted: .all, logits: &rows)
      for position in range { onRow(position, rows.row(position - start)) }
    }
  }

  /// How surprised the model is by a text: exp of the mean negative log likelihood per token.
  ///
  /// The text is cut into windows; each is run alone with one BOS in front, and every token of a
  /// window counts, the first one and those of a short last window included.
  /// - Parameters:
  ///   - tokens: The text's tokens without BOS.
  ///   - window: Tokens per window.
  ///   - bos: What goes before each window; nil: the first token of a window only conditions.
  ///   - onProgress: Called after each window with the tokens counted and the perplexity so far.
  /// - Returns: The figures over all windows.
  /// - Throws: `InferenceError`.
  public func perplexity(
    of tokens: [TokenID], window: Int, bos: TokenID?,
    onProgress: (Int, Double) -> Void = { _, _ in }
  ) throws(InferenceError) -> Perplexity {
    guard !tokens.isEmpty, window > 0 else {
      throw .unusableWindows(tokens: tokens.count, window: window)
    }
    var sum = 0.0
    var count = 0
    for start in stride(from: 0, to: tokens.count, by: window) {
      let sequence = (bos.map { [$0] } ?? []) + tokens[start..<min(start + window, tokens.count)]
      guard sequence.count > 1 else { continue }
      try logits(sequence.dropLast()) { position, row in
        sum += negativeLogLikelihood(of: sequence[position + 1], row)
        count += 1
      }
      onProgress(count, exp(sum / Double(max(count, 1))))
    }
    guard count > 0 else { throw .unusableWindows(tokens: tokens.count, window: window) }
    return Perplexity(tokens: count, meanNegativeLogLikelihood: sum / Double(count))
  }
}

/// The result of measuring a model on a text.
public struct Perplexity: Sendable, Equatable {
  /// Tokens that were predicted.
  public let tokens: Int
  /// In nats.
  public let meanNegativeLogLikelihood: Double
  /// Its exponential.
  public var value: Double { exp(meanNegativeLogLikelihood) }
}

/// -log of the probability that softmax of `logits` gives `token`, in nats.
public func negativeLogLikelihood(of token: TokenID, _ logits: Span<Float>) -> Double {
  var peak = -Float.infinity
  for id in 0..<logits.count { peak = max(peak, logits[id]) }
  var sum = 0.0
  for id in 0..<logits.count { sum += exponential(Double(logits[id]) - Double(peak)) }
  return log(sum) + Double(peak) - Double(logits[Int(token)])
}
