import Foundation
import Synchronization
import Tokenization

/// Reads messages from standard input and has them answered, with all that was said before in mind.
final class Conversation {
  private let partner: any ChatPartner
  private var system: String?
  private var turns: [ChatMessage] = []
  private var answered = 0
  private let interrupts = Interrupts()

  init(with partner: any ChatPartner, system: String?) {
    self.partner = partner
    self.system = system
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
    let answer: (text: String, note: String)
    do {
      answer = try partner.answer(first + asked, interrupts)
    } catch  where Terminal.hasKeyboard {
      Terminal.note("\(error); /reset starts anew")
      return
    }
    if Terminal.hasKeyboard { Terminal.note(Style.notes.dim(answer.note)) }
    turns = asked + [ChatMessage(.assistant, answer.text)]
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
