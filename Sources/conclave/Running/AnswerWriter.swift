import Inference
import Tokenization

/// Runs a request and writes its text to standard output as it comes.
struct AnswerWriter {
  private(set) var text = ""
  private(set) var tokens: [TokenID] = []
  private let layout: Layout
  private var wrapper: LineWrapper?
  private var hasStarted = false

  /// How the text is shown while it comes.
  enum Layout {
    /// Not at all: the caller wants all of it at the end.
    case silent
    /// As it is.
    case plain
    /// Without the blank that models write after `Assistant:`.
    case trimmed
    /// The same, broken into lines with this indent.
    case wrapped(indent: String, width: Int)
  }

  init(_ layout: Layout) {
    self.layout = layout
    if case .wrapped(let indent, let width) = layout {
      wrapper = LineWrapper(width: width, indent: indent)
    }
  }

  /// Runs to the end; the summary's reason is `cancelled` after an interrupt.
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
    if case .silent = layout { return summary }
    try Output.line(wrapper?.finish() ?? "")
    return summary
  }

  private mutating func take(_ event: GenerationEvent) throws {
    switch event {
    case .token(let token): tokens.append(token)
    case .text(let piece):
      text += piece
      try show(piece)
    case .finished, .logProbabilities: break
    }
  }

  private mutating func show(_ piece: String) throws {
    switch layout {
    case .silent: return
    case .plain: try Output.write(piece)
    case .trimmed, .wrapped:
      let shown = hasStarted ? piece : String(piece.drop(while: \.isWhitespace))
      hasStarted = hasStarted || !shown.isEmpty
      try Output.write(wrapper?.append(shown) ?? shown)
    }
  }
}

extension GenerationSummary {
  /// The summary in one line for people; the seed where it mattered.
  func line(isRandom: Bool) -> String {
    let seed = isRandom ? "; seed \(seed)" : ""
    let reused = cachedPromptTokens > 0 ? ", \(cachedPromptTokens) of them cached" : ""
    let drafted = acceptedTokens > 0 ? ", \(acceptedTokens) of them drafted" : ""
    return "\(outputTokens) tokens\(drafted), \(Quantity.number(decodeTokensPerSecond)) tokens/s;"
      + " prompt of \(promptTokens)\(reused), \(Quantity.number(prefillTokensPerSecond)) tokens/s\(seed)"
  }
}
