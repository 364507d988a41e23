import Tokenization

/// Parts the text of an answer into thinking, answer and calls of tools, as it comes.
///
/// Text that may be the start of a mark is held back. The parts do not depend on how the text is
/// cut into calls.
package struct OutputSplitter: Sendable {
  private enum Mode {
    case reasoning
    case text
    /// Before a call, or after the last one.
    case betweenCalls
    case name
    case arguments(ArgumentScanner)
  }

  private let layout: AnswerLayout
  private var mode: Mode
  private var buffer: [UInt8] = []
  private var heldNewlines = 0  // at the end of the thinking: dropped if nothing follows
  private var dropsNewlines: Bool  // at the start of a part
  private var callCount = 0

  package init(_ layout: AnswerLayout) {
    self.layout = layout
    mode = layout.reasoning == nil ? .text : .reasoning
    dropsNewlines = layout.reasoning != nil
  }

  /// Whether the answer proper has not begun.
  var isReasoning: Bool {
    if case .reasoning = mode { return true }
    return false
  }

  /// The parts that more text makes certain.
  package mutating func append(_ text: String) -> [AnswerPiece] {
    if case .text = mode, layout.tools == nil, !dropsNewlines, buffer.isEmpty {
      return text.isEmpty ? [] : [.text(text)]
    }
    buffer.append(contentsOf: text.utf8)
    var pieces: [AnswerPiece] = []
    while advance(&pieces) {}
    return pieces
  }

  /// What was held back, when nothing more comes.
  package mutating func finish() -> [AnswerPiece] {
    defer { buffer = [] }
    var pieces: [AnswerPiece] = []
    switch mode {
    case .reasoning: reason(buffer[...], &pieces)
    case .text: write(buffer[...], &pieces)
    case .betweenCalls, .name, .arguments: break
    }
    return pieces
  }

  /// Takes what can be taken from the buffer; whether more may be.
  private mutating func advance(_ pieces: inout [AnswerPiece]) -> Bool {
    switch mode {
    case .reasoning:
      let closing = layout.reasoning?.closing ?? ""
      // A call ends the thinking, too.
      let (before, mark) = cut(before: [closing] + (layout.tools.map { [$0.trigger] } ?? []))
      reason(before[...], &pieces)
      guard let mark else { return false }
      heldNewlines = 0
      if mark == 0 {
        buffer.removeFirst(closing.utf8.count)
        mode = .text
        dropsNewlines = true
      } else {
        mode = .betweenCalls
        dropsNewlines = false
      }
    case .text:
      guard let tools = layout.tools else {
        write(buffer[...], &pieces)
        buffer = []
        return false
      }
      let (before, mark) = cut(before: [tools.trigger])
      write(before[...], &pieces)
      guard mark != nil else { return false }
      mode = .betweenCalls
    case .betweenCalls:
      guard let opening = layout.tools?.callOpening, cut(before: [opening]).mark != nil else {
        return false
      }
      buffer.removeFirst(opening.utf8.count)
      mode = .name
    case .name:
      guard let tools = layout.tools, let end = buffer.firstRange(of: Array(tools.afterName.utf8))
      else { return false }
      let name = String(decoding: buffer[..<end.lowerBound], as: UTF8.self)
      buffer.removeSubrange(..<end.upperBound)
      pieces.append(.call(index: callCount, name: name))
      mode = .arguments(ArgumentScanner())
    case .arguments(var scanner):
      let length = scanner.length(of: buffer)
      if length > 0 {
        let text = String(decoding: buffer[..<length], as: UTF8.self)
        pieces.append(.arguments(index: callCount, text))
        buffer.removeSubrange(..<length)
      }
      guard scanner.isComplete else {
        mode = .arguments(scanner)
        return false
      }
      callCount += 1
      mode = .betweenCalls
    }
    return !buffer.isEmpty
  }

  /// Takes the buffer up to the first of some marks, or up to what may be the start of one.
  private mutating func cut(before marks: [String]) -> (before: [UInt8], mark: Int?) {
    let marks = marks.map { Array($0.utf8) }
    let found = marks.indices.compactMap { index in
      buffer.firstRange(of: marks[index]).map { (place: $0.lowerBound, mark: index) }
    }
    if let first = found.min(by: { $0.place < $1.place }) {
      let before = Array(buffer[..<first.place])
      buffer.removeFirst(first.place)
      return (before, first.mark)
    }
    let held = marks.map(startLength).max() ?? 0
    let before = Array(buffer.dropLast(held))
    buffer.removeFirst(before.count)
    return (before, nil)
  }

  /// How much of the beginning of a mark stands at the end of the buffer.
  private func startLength(of mark: [UInt8]) -> Int {
    let longest = min(mark.count - 1, buffer.count)
    return stride(from: longest, to: 0, by: -1).first {
      buffer.suffix($0).elementsEqual(mark.prefix($0))
    } ?? 0
  }

  private mutating func reason(_ bytes: ArraySlice<UInt8>, _ pieces: inout [AnswerPiece]) {
    var bytes = bytes
    if dropsNewlines { bytes = bytes.drop { $0 == UInt8(ascii: "\n") } }
    guard !bytes.isEmpty else { return }
    dropsNewlines = false
    let text = bytes.reversed().drop { $0 == UInt8(ascii: "\n") }.reversed()
    if text.isEmpty {
      heldNewlines += bytes.count
      return
    }
    let newlines = String(repeating: "\n", count: heldNewlines)
    heldNewlines = bytes.count - text.count
    pieces.append(.reasoning(newlines + String(decoding: text, as: UTF8.self)))
  }

  private mutating func write(_ bytes: ArraySlice<UInt8>, _ pieces: inout [AnswerPiece]) {
    let bytes = dropsNewlines ? bytes.drop { $0 == UInt8(ascii: "\n") } : bytes
    guard !bytes.isEmpty else { return }
    dropsNewlines = false
    pieces.append(.text(String(decoding: bytes, as: UTF8.self)))
  }
}

/// Finds the end of a JSON object in text that comes in pieces.
private struct ArgumentScanner: Sendable {
  private var depth = 0
  private var isInString = false
  private var isEscaped = false
  private(set) var isComplete = false

  /// How many of the bytes belong to the object; all of them when it goes on.
  mutating func length(of bytes: [UInt8]) -> Int {
    for (index, byte) in bytes.enumerated() {
      if isInString {
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isInString = false
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "\""): isInString = true
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        if depth <= 0 {
          isComplete = true
          return index + 1
        }
      default: break
      }
    }
    return bytes.count
  }
}
