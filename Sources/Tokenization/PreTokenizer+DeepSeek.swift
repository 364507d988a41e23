extension ScannedText {
  /// LLM 7B/67B, V2, V2-Lite, Coder-V2, V2.5.
  mutating func cutDeepseekLLM() {
    isolateNewlines()
    // \s?[A-Za-zµÀ-Ö…]+
    isolate { start, end, text in text.spacedRun(.casedLetter, start, end) }
    // \s?[!-/:-~！-／：-～‘-‟　-。]+
    isolate { start, end, text in text.spacedRun(.widePunctuation, start, end) }
    // \s+$
    isolateTrailingWhitespace()
    isolateEastAsian()
    isolateNumbers()
  }

  /// Coder v1.
  mutating func cutDeepseekCoder() {
    isolateNewlines()
    // \s?\p{L}+
    isolate { start, end, text in text.spacedRun(.letter, start, end) }
    // \s?\p{P}+
    isolate { start, end, text in text.spacedRun(.punctuation, start, end) }
    isolateEastAsian()
    isolateNumbers()
  }

  /// V3, R1, V3.1.
  mutating func cutDeepseekV3() {
    isolateNumberTriples()
    // [一-龥぀-ゟ゠-ヿ]+
    isolate { start, end, text in text.nonEmptyRun(.hanOrKana, start, end) }
    isolate { start, end, text in text.deepseekV3Word(start, end) }
  }

  /// Cuts by `\p{N}{1,3}`.
  private mutating func isolateNumberTriples() {
    isolate { start, end, text in text.nonEmptyRun(.number, start, min(end, start + 3)) }
  }

  /// Cuts by `[\r\n]`.
  private mutating func isolateNewlines() {
    isolate { start, _, text in text.classes[start].contains(.newline) ? start + 1 : nil }
  }

  /// Cuts by `[一-龥ࠀ-一가-퟿]+`.
  private mutating func isolateEastAsian() {
    isolate { start, end, text in text.nonEmptyRun(.eastAsian, start, end) }
  }

  /// Cuts by `\p{N}`.
  private mutating func isolateNumbers() {
    isolate { start, _, text in text.classes[start].contains(.number) ? start + 1 : nil }
  }

  /// The run of `set` at `start`, if there is one.
  @inline(__always)
  func nonEmptyRun(_ set: ScalarClass, _ start: Int, _ end: Int) -> Int? {
    let runEnd = runEnd(set, from: start, to: end)
    return runEnd == start ? nil : runEnd
  }

  /// The end of `\s?[set]+`.
  @inline(__always)
  private func spacedRun(_ set: ScalarClass, _ start: Int, _ end: Int) -> Int? {
    if classes[start].contains(.whitespace) {
      let runEnd = runEnd(set, from: start + 1, to: end)
      if runEnd > start + 1 { return runEnd }
    }
    return nonEmptyRun(set, start, end)
  }

  /// The alternatives of deepseek-v3's third expression, in order.
  @inline(__always)
  private func deepseekV3Word(_ start: Int, _ end: Int) -> Int? {
    let first = classes[start]
    // [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+
    if first.contains(.asciiPunctuation),
      let runEnd = nonEmptyRun(.asciiLetter, start + 1, end)
    {
      return runEnd
    }
    // [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+
    if first.isDisjoint(with: [.newline, .letter, .punctuation, .symbol]),
      let runEnd = nonEmptyRun([.letter, .mark], start + 1, end)
    {
      return runEnd
    }
    if let runEnd = nonEmptyRun([.letter, .mark], start, end) { return runEnd }
    //  ?[\p{P}\p{S}]+[\r\n]*
    if let runEnd = nonEmptyRun(
      [.punctuation, .symbol], first.contains(.space) ? start + 1 : start, end)
    {
      return self.runEnd(.newline, from: runEnd, to: end)
    }
    return whitespaceRun(start, end)
  }

  /// The end of `\s*[\r\n]+|\s+(?!\S)|\s+`.
  @inline(__always)
  func whitespaceRun(_ start: Int, _ end: Int) -> Int? {
    guard let runEnd = nonEmptyRun(.whitespace, start, end) else { return nil }
    var last = runEnd
    while last > start, !classes[last - 1].contains(.newline) { last -= 1 }
    if last > start { return last }
    // The blank before a word belongs to the word's piece, unless it is the only one.
    return runEnd == end || runEnd == start + 1 ? runEnd : runEnd - 1
  }
}
