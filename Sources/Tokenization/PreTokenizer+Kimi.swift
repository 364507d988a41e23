extension ScannedText {
  /// Kimi-K2 and Moonlight: one expression of eight alternatives.
  mutating func cutKimiK2() {
    isolate { start, end, text in text.kimiPiece(start, end) }
  }

  private func kimiPiece(_ start: Int, _ end: Int) -> Int? {
    // [\p{Han}]+
    if let runEnd = nonEmptyRun(.han, start, end) { return runEnd }
    if let wordEnd = kimiWord(start, end) { return kimiContraction(wordEnd, end) }
    // \p{N}{1,3}
    if let runEnd = nonEmptyRun(.number, start, min(end, start + 3)) { return runEnd }
    //  ?[^\s\p{L}\p{N}]+[\r\n]*
    let marks = classes[start].contains(.space) ? start + 1 : start
    let marksEnd = otherRunEnd(marks, end)
    if marksEnd > marks { return runEnd(.newline, from: marksEnd, to: end) }
    return whitespaceRun(start, end)
  }

  /// `[^\r\n\p{L}\p{N}]?[Lu Lt Lm Lo M]*[Ll Lm Lo M]+`, else the same with `+` and `*` exchanged.
  private func kimiWord(_ start: Int, _ end: Int) -> Int? {
    let prefixed = classes[start].isDisjoint(with: [.newline, .letter, .number])
    if prefixed, let wordEnd = lowerWord(start + 1, end) { return wordEnd }
    if let wordEnd = lowerWord(start, end) { return wordEnd }
    if prefixed, let wordEnd = upperWord(start + 1, end) { return wordEnd }
    return upperWord(start, end)
  }

  /// `[Lu Lt Lm Lo M]*[Ll Lm Lo M]+` without Han, with the back-tracking of a greedy expression.
  private func lowerWord(_ start: Int, _ end: Int) -> Int? {
    let upperEnd = kimiRunEnd([.upper, .otherLetter, .mark], start, end)
    let lowerEnd = kimiRunEnd([.lower, .otherLetter, .mark], upperEnd, end)
    if lowerEnd > upperEnd { return lowerEnd }
    var last = upperEnd
    while last > start, classes[last - 1].isDisjoint(with: [.otherLetter, .mark]) { last -= 1 }
    return last > start ? last : nil
  }

  /// `[Lu Lt Lm Lo M]+[Ll Lm Lo M]*` without Han.
  private func upperWord(_ start: Int, _ end: Int) -> Int? {
    let upperEnd = kimiRunEnd([.upper, .otherLetter, .mark], start, end)
    guard upperEnd > start else { return nil }
    return kimiRunEnd([.lower, .otherLetter, .mark], upperEnd, end)
  }

  private func kimiRunEnd(_ set: ScalarClass, _ start: Int, _ end: Int) -> Int {
    var position = start
    while position < end, !classes[position].isDisjoint(with: set),
      !classes[position].contains(.han)
    {
      position += 1
    }
    return position
  }

  /// The end of `[^\s\p{L}\p{N}]*`.
  private func otherRunEnd(_ start: Int, _ end: Int) -> Int {
    var position = start
    while position < end, classes[position].isDisjoint(with: [.whitespace, .letter, .number]) {
      position += 1
    }
    return position
  }

  /// The end of `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`.
  private func kimiContraction(_ start: Int, _ end: Int) -> Int {
    guard start + 1 < end, bytes(of: start).elementsEqual("'".utf8) else { return start }
    let first = folded(start + 1)
    if "stmd".utf8.contains(first) { return start + 2 }
    guard start + 2 < end else { return start }
    let pair = [first, folded(start + 2)]
    return ["re", "ve", "ll"].contains { $0.utf8.elementsEqual(pair) } ? start + 3 : start
  }

  /// An ASCII letter in lower case, else a byte that is none; U+017F, the long s, folds to s.
  private func folded(_ scalar: Int) -> UInt8 {
    let bytes = bytes(of: scalar)
    if bytes.elementsEqual("\u{17F}".utf8) { return UInt8(ascii: "s") }
    return bytes.count == 1 ? bytes[bytes.startIndex] | 0x20 : 0
  }
}
