extension ChatFormat {
  /// The format that the template's text shows, else the one that the tokens suggest, if any.
  ///
  /// A template is a program from a foreign file; it is searched for the marks of known formats and
  /// never run.
  init?(_ description: TokenizerDescription) {
    let found =
      description.template.map { Self(template: $0) }
      ?? Self(description.vocabulary, description.preTokenizer)
    guard let found else { return nil }
    self = found
  }

  /// The format of a template, or nil when it is none of the known ones.
  package init?(template: String) {
    func has(_ text: String) -> Bool { template.utf8.contains(text.utf8) }
    if has("<|im_middle|>") {
      self = .kimiK2
    } else if has("### Instruction:") {
      self = .deepseekCoder
    } else if has("<｜User｜>") {
      self = Self.marked(has)
    } else if has("User: "), has("Assistant:") {
      self = .deepseek
    } else {
      return nil
    }
  }

  /// Which of the formats with `<｜User｜>` it is.
  private static func marked(_ has: (String) -> Bool) -> ChatFormat {
    if has("</think>") || has("<think>") {
      return has("thinking") ? .deepseekV3_1 : .deepseekR1
    }
    // Only V2-Chat-0628 puts a blank line after the system message; V3 joins several with it.
    let separates = has(#"+ '\n\n'"#) || has(#"+ "\n\n""#)
    return separates && !has("system_prompt") ? .deepseekV2_0628 : .deepseekV3
  }

  private init?(_ vocabulary: Vocabulary, _ preTokenizer: PreTokenizer) {
    func has(_ text: String) -> Bool { vocabulary.addedToken(text) != nil }
    switch preTokenizer {
    case .kimiK2 where has("<|im_middle|>"): self = .kimiK2
    case .deepseekCoder where has("<|EOT|>"): self = .deepseekCoder
    case .deepseekLLM where has("<｜Assistant｜>"): self = .deepseek
    case .deepseekV3 where has("<｜Assistant｜>"): self = has("<think>") ? .deepseekR1 : .deepseekV3
    default: return nil
    }
  }
}
