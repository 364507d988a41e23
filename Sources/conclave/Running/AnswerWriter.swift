import Inference
import Tokenization

/// Runs a request and writes its text to standard output as it comes.
struct AnswerWriter {
  private(set) var text = ""
  private(set) var tokens: [TokenID] = []
  /// Whether the text is written while it comes, and a line end after it.
  let streams: Bool
  /// What stands in front of every line after the first.
  let indent: String
  /// Whether blanks before the first word are not shown: models write one after `Assistant:`.
  let trimsStart: Bool
  private var hasStarted = false

  init(streams: Bool, indent: String = "", trimsStart: Bool = false) {
    self.streams = streams
    self.indent = indent
    self.trimsStart = trimsStart
  }

  /// - Returns: The summary; its reason is `cancelled` after an interrupt.
  mutating func write<Model: LanguageModel>(
    _ request: GenerationRequest, with generator: TextGenerator<Model>, _ interrupts: Interrupts
  ) throws -> GenerationSummary {
    var failure: (any Error)?
    let summary = try generator.generate(request) {
      interrupts.isInterrupted || failure != nil
    } onEvent: { event in
      do { try take(event) } catch { failure = error }
    }
    if let failure { throw failure }
    if streams { try Output.line() }
    return summary
  }

  private mutating func take(_ event: GenerationEvent) throws {
    switch event {
    case .token(let token): tokens.append(token)
    case .text(let piece):
      text += piece
      if streams { try show(piece) }
    case .finished: break
    }
  }

  private mutating func show(_ piece: String) throws {
    let shown = trimsStart && !hasStarted ? String(piece.drop(while: \.isWhitespace)) : piece
    hasStarted = hasStarted || !shown.isEmpty
    try Output.write(shown.replacing("\n", with: "\n" + indent))
  }
}

extension GenerationSummary {
  /// The summary in one line for people; the seed where it mattered.
  func line(isRandom: Bool) -> String {
    let seed = isRandom ? "; seed \(seed)" : ""
    let reused = cachedPromptTokens > 0 ? ", \(cachedPromptTokens) of them cached" : ""
    return "\(outputTokens) tokens, \(Quantity.number(decodeTokensPerSecond)) tokens/s; prompt of"
      + " \(promptTokens)\(reused), \(Quantity.number(prefillTokensPerSecond)) tokens/s\(seed)"
  }
}
