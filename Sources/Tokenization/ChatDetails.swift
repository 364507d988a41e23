/// What templates of one format differ in, read from the template's text.
struct ChatDetails: Equatable {
  /// The system message of Kimi formats when the conversation has none.
  let kimiSystem: String
  /// Whether V3.1 without thinking writes an empty thinking part rather than only its end.
  let opensEmptyThinking: Bool

  /// The details of a template, the usual ones without it.
  init(template: String?) {
    let template = template ?? ""
    opensEmptyThinking = template.utf8.contains("<think></think>".utf8)
    kimiSystem =
      Self.literal(
        in: template, after: "<|im_system|>system<|im_middle|>", before: "<|im_end|>")
      ?? "You are a helpful assistant"
  }

  /// The text between two marks, unless it is computed.
  private static func literal(
    in template: String, after start: String, before end: String
  ) -> String? {
    guard let opening = template.utf8.firstRange(of: start.utf8) else { return nil }
    let rest = template.utf8[opening.upperBound...]
    guard let closing = rest.firstRange(of: end.utf8) else { return nil }
    let text = String(decoding: rest[..<closing.lowerBound], as: UTF8.self)
    return text.utf8.contains { "{}'+".utf8.contains($0) } ? nil : text
  }
}
