import Foundation
import Inference
import Synchronization
import Tokenization

/// Reads messages from standard input and answers them, with all that was said before in mind.
final class Conversation {
  private let tokenizer: Tokenizer
  private let generator: ModelSession.Generator
  private let format: ChatFormat?
  private let arguments: SamplingArguments
  private var system: String?
  private var turns: [ChatMessage] = []
  private var answered = 0
  private let interrupts = Interrupts()

  init(
    _ session: ModelSession, format: ChatFormat?, system: String?, arguments: SamplingArguments
  ) throws {
    tokenizer = try session.tokenizer()
    self.format = format
    self.system = system
    self.arguments = arguments
    generator = try session.makeGenerator(reusesPrefix: true)
    _ = try tokenizer.encode(chat: [ChatMessage(.user, "")], format: format)
  }

  /// Returns when the input ends or the user leaves.
  func run() throws {
    defer { interrupts.release() }
    if Terminal.hasKeyboard { Terminal.note(Style.notes.dim(ChatLine.explanation)) }
    while let line = try nextLine() {
      switch ChatLine(line) {
      case .empty: continue
      case .exit: return sayGoodbye()
      case .help: Terminal.note(ChatLine.explanation)
      case .reset:
        turns = []
        Terminal.note("the conversation starts anew")
      case .system(let text):
        system = text.isEmpty ? nil : text
        turns = []
        Terminal.note("the conversation starts anew, with this instruction")
      case .unknown(let word): Terminal.note("\(word) is not known. \(ChatLine.explanation)")
      case .message(let text): try answer(text)
      }
    }
    sayGoodbye()
  }

  private func nextLine() throws -> String? {
    guard Terminal.hasKeyboard else { return readLine() }
    try Output.write(Style.results.accent("› "))
    let count = answered
    interrupts.onSignal {
      Terminal.note("\n" + Self.goodbye(count))
      exit(130)
    }
    defer { interrupts.onSignal(nil) }
    let line = readLine()
    if line == nil { try Output.line() }
    return line
  }

  private func answer(_ text: String) throws {
    let asked = turns + [ChatMessage(.user, text)]
    let first = system.map { [ChatMessage(.system, $0)] } ?? []
    let request = GenerationRequest(
      prompt: try tokenizer.encode(chat: first + asked, format: format),
      maxTokens: nil, sampling: arguments.parameters(defaultTemperature: Chat.defaultTemperature),
      stopStrings: arguments.stop, stopTokens: arguments.stopTokens(of: tokenizer))
    do {
      try write(request, asked: asked)
    } catch let error as InferenceError where Terminal.hasKeyboard {
      Terminal.note("\(error); /reset starts anew")
    }
  }

  private func write(_ request: GenerationRequest, asked: [ChatMessage]) throws {
    var request = request
    let room = generator.contextLength - request.prompt.count
    request.maxTokens = max(1, min(arguments.maxTokens, room))
    var writer = AnswerWriter(.trimmed)
    let summary = try writer.write(request, with: generator, interrupts)
    if Terminal.hasKeyboard {
      Terminal.note(Style.notes.dim(summary.line(isRandom: request.sampling.temperature > 0)))
    }
    turns = asked + [ChatMessage(.assistant, writer.text)]
    answered += 1
    guard interrupts.isInterrupted else { return }
    guard Terminal.hasKeyboard else {
      sayGoodbye()
      throw Interrupted()
    }
    interrupts.reset()
  }

  private func sayGoodbye() { Terminal.note(Style.notes.dim(Self.goodbye(answered))) }

  private static func goodbye(_ count: Int) -> String {
    "\(count) \(count == 1 ? "answer" : "answers")"
  }
}
