/// Breaks streamed text between words, so that lines stay within a width.
struct LineWrapper {
  private let width: Int
  private let indent: String
  private var column: Int
  private var word = ""
  private var blanks = ""

  /// The first line has already been indented by whoever starts it.
  init(width: Int, indent: String) {
    self.width = width
    self.indent = indent
    column = indent.count
  }

  /// What can be shown after this piece came; a word waits until it is complete.
  mutating func append(_ piece: String) -> String {
    var shown = ""
    for character in piece {
      if character.isNewline {
        shown += finish() + "\n" + indent
        column = indent.count
      } else if character == " " {
        shown += takeWord()
        blanks.append(character)
      } else {
        word.append(character)
      }
    }
    return shown
  }

  /// The rest.
  mutating func finish() -> String {
    defer { blanks = "" }
    return takeWord()
  }

  private mutating func takeWord() -> String {
    guard !word.isEmpty else { return "" }
    defer { (word, blanks) = ("", "") }
    guard column + blanks.count + word.count > width, column > indent.count else {
      column += blanks.count + word.count
      return blanks + word
    }
    column = indent.count + word.count
    return "\n" + indent + word
  }
}
