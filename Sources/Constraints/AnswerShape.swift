public import ModelFiles
public import Tokenization

/// What an answer has to look like, from a few parts.
public indirect enum AnswerShape: Hashable, Sendable {
  /// Exactly this text.
  case text(String)
  /// A token that writes no text, as the marks of tool calls.
  case mark(TokenID)
  /// Any text, or any that does not contain the given one.
  case anyText(without: String?)
  /// A JSON object of any content.
  case jsonObject
  /// JSON that fits a schema.
  case json(schema: JSONValue)
  /// One after another.
  case sequence([AnswerShape])
  /// One of several.
  case choice([AnswerShape])
  /// Once or more often, with something between.
  case list(AnswerShape, separator: AnswerShape)
  /// As it is, or nothing.
  case optional(AnswerShape)
  /// What may stand between the parts of JSON: a blank, a new line with indentation, or nothing.
  case space
}

extension AnswerShape {
  /// Bytes that are the same for two shapes only if these allow the same answers.
  ///
  /// `==` is no measure of that: it does not see the order of a schema's members, which answers keep.
  public var spelling: [UInt8] {
    var bytes: [UInt8] = []
    spell(into: &bytes)
    return bytes
  }

  private func spell(into bytes: inout [UInt8]) {
    switch self {
    case .text(let text): Self.spell(0, Array(text.utf8), &bytes)
    case .mark(let token): Self.spell(1, Array("\(token)".utf8), &bytes)
    case .anyText(without: nil): Self.spell(2, [], &bytes)
    case .anyText(without: let text?): Self.spell(3, Array(text.utf8), &bytes)
    case .jsonObject: Self.spell(4, [], &bytes)
    case .json(let schema): Self.spell(5, Array(schema.text().utf8), &bytes)
    case .sequence(let parts): Self.spell(6, parts.flatMap(\.spelling), &bytes)
    case .choice(let shapes): Self.spell(7, shapes.flatMap(\.spelling), &bytes)
    case .list(let element, let separator):
      Self.spell(8, element.spelling + separator.spelling, &bytes)
    case .optional(let shape): Self.spell(9, shape.spelling, &bytes)
    case .space: Self.spell(10, [], &bytes)
    }
  }

  /// A kind and what belongs to it, with its length, so that no two shapes run into one another.
  private static func spell(_ kind: UInt8, _ content: [UInt8], _ bytes: inout [UInt8]) {
    bytes.append(kind)
    bytes += "\(content.count):".utf8
    bytes += content
  }
}

extension Grammar {
  /// Compiles a shape.
  ///
  /// - Throws: `SchemaError` when a schema in it is wrong, not supported, too large, or fits
  ///   nothing; the path starts at that schema.
  public init(_ shape: AnswerShape) throws(SchemaError) {
    var builder = GrammarBuilder()
    let root = builder.rule()
    let start = builder.node(in: root)
    let end = builder.node(in: root)
    builder.define(root, from: start, to: end)
    try builder.read(shape, in: root, from: start, to: end)
    do {
      self = try builder.build(root)
    } catch {
      throw SchemaError(path: "", problem: Self.problem(error))
    }
  }

  private static func problem(_ error: GrammarError) -> String {
    switch error {
    case .tooLarge: "the schema is too large to constrain an answer with"
    case .startsWithItself:
      "a schema refers to itself without an object or array in between"
    case .cannotEnd:
      "no value fits the schema: it asks for what cannot be, or for endless or too deep nesting"
    }
  }
}

extension GrammarBuilder {
  fileprivate mutating func read(
    _ shape: AnswerShape, in rule: Rule, from start: Node, to end: Node
  ) throws(SchemaError) {
    switch shape {
    case .text(let text): read(text.utf8, from: start, to: end)
    case .mark(let token): read(mark: token, from: start, to: end)
    case .anyText(without: nil):
      read(0...255, from: start, to: start)
      jump(from: start, to: end)
    case .anyText(without: let text?): readText(without: Array(text.utf8), rule, start, end)
    case .jsonObject: call(self.rule(.object), from: start, to: end)
    case .json(let schema):
      var compiler = SchemaCompiler(schema)
      call(try compiler.compile(into: &self), from: start, to: end)
    case .sequence(let parts):
      var place = start
      for part in parts {
        let next = node(in: rule)
        try read(part, in: rule, from: place, to: next)
        place = next
      }
      jump(from: place, to: end)
    case .choice(let shapes):
      for shape in shapes {
        let first = node(in: rule)
        jump(from: start, to: first)
        try read(shape, in: rule, from: first, to: end)
      }
    case .list(let element, let separator):
      let body = self.rule()
      let (first, last) = (node(in: body), node(in: body))
      define(body, from: first, to: last)
      try read(element, in: body, from: first, to: last)
      let (place, next) = (node(in: rule), node(in: rule))
      call(body, from: start, to: place)
      try read(separator, in: rule, from: place, to: next)
      call(body, from: next, to: place)
      jump(from: place, to: end)
    case .optional(let shape):
      jump(from: start, to: end)
      try read(shape, in: rule, from: start, to: end)
    case .space: call(self.rule(.space), from: start, to: end)
    }
  }

  /// Any bytes in which `text` does not occur: one node for each beginning of it.
  private mutating func readText(without text: [UInt8], _ rule: Rule, _ start: Node, _ end: Node) {
    let nodes = text.indices.map { _ in node(in: rule) }
    guard let first = nodes.first else { return }
    jump(from: start, to: first)
    for (matched, place) in nodes.enumerated() {
      jump(from: place, to: end)
      for byte in UInt8.min...UInt8.max {
        let next = Self.matched(text, Array(text[..<matched]) + [byte])
        if next < text.count { read(byte...byte, from: place, to: nodes[next]) }
      }
    }
  }

  /// How much of the beginning of `text` stands at the end of `read`.
  private static func matched(_ text: [UInt8], _ read: [UInt8]) -> Int {
    for length in stride(from: min(text.count, read.count), through: 1, by: -1)
    where read.suffix(length).elementsEqual(text.prefix(length)) {
      return length
    }
    return 0
  }
}
