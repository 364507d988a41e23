/// One line that a person typed in a conversation.
enum ChatLine: Equatable {
  case message(String)
  case empty
  case help
  case reset
  case system(String)
  case exit
  case unknown(String)

  static let explanation =
    "/system TEXT changes what the model is told first, /reset forgets the conversation, /exit"
    + " ends it, /help says this."

  init(_ line: String) {
    let words = line.split(separator: " ", maxSplits: 1)
    switch words.first {
    case nil: self = .empty
    case "/help": self = .help
    case "/reset": self = .reset
    case "/exit", "/quit": self = .exit
    case "/system": self = .system(words.count > 1 ? String(words[1]) : "")
    case .some(let word) where word.hasPrefix("/"): self = .unknown(String(word))
    default: self = .message(line)
    }
  }
}
