/// A stretch of text as scalar classes, and where it is cut.
///
/// Expressions are applied to it in sequence: each cuts the pieces that the earlier ones left, and
/// sees nothing beyond the piece's ends.
struct ScannedText: Sendable {
  /// The class of each scalar.
  private(set) var classes: [ScalarClass] = []
  /// Where each scalar's bytes start, and where the last one's end: one more than `classes`.
  private var offsets: [Int] = []
  /// Whether a piece starts at this scalar.
  private var cuts: [Bool] = []
  /// The text, for the few expressions that name single scalars.
  private(set) var bytes: [UInt8] = []

  /// Starts over with part of a valid UTF-8 text, as one piece.
  mutating func scan(_ text: [UInt8], _ range: Range<Int>) {
    bytes = text
    classes.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
    let table = ScalarClasses.table
    var position = range.lowerBound
    while position < range.upperBound {
      offsets.append(position)
      let (scalar, length) = decodeScalar(text, at: position)
      classes.append(table[scalar])
      position += length
    }
    offsets.append(position)
    cuts.removeAll(keepingCapacity: true)
    cuts.append(contentsOf: repeatElement(false, count: classes.count))
  }

  /// Makes every match of an expression a piece, and every gap between matches.
  ///
  /// `match` returns the end of the match that starts at its first argument, or nil; the second
  /// argument is the end of the piece.
  @inline(__always)
  mutating func isolate(_ match: (_ start: Int, _ end: Int, _ text: borrowing Self) -> Int?) {
    var start = 0
    while start < classes.count {
      let end = pieceEnd(after: start)
      var position = start
      while position < end {
        if let matchEnd = match(position, end, self) {
          cuts[position] = true
          if matchEnd < end { cuts[matchEnd] = true }
          position = matchEnd
        } else {
          position += 1
        }
      }
      start = end
    }
  }

  /// The end of the run of scalars from `start` that are in `set`.
  @inline(__always)
  func runEnd(_ set: ScalarClass, from start: Int, to end: Int) -> Int {
    var position = start
    while position < end, !classes[position].isDisjoint(with: set) { position += 1 }
    return position
  }

  /// The byte ranges of the pieces, in order.
  @inline(__always)
  func forEachPiece(_ body: (Range<Int>) -> Void) {
    var start = 0
    while start < classes.count {
      let end = pieceEnd(after: start)
      body(offsets[start]..<offsets[end])
      start = end
    }
  }

  /// Makes the white space at the end of each piece a piece.
  mutating func isolateTrailingWhitespace() {
    var start = 0
    while start < classes.count {
      let end = pieceEnd(after: start)
      var cut = end
      while cut > start, classes[cut - 1].contains(.whitespace) { cut -= 1 }
      if cut < end { cuts[cut] = true }
      start = end
    }
  }

  /// The UTF-8 bytes of one scalar.
  func bytes(of scalar: Int) -> ArraySlice<UInt8> { bytes[offsets[scalar]..<offsets[scalar + 1]] }

  @inline(__always)
  private func pieceEnd(after start: Int) -> Int {
    var end = start + 1
    while end < cuts.count, !cuts[end] { end += 1 }
    return end
  }
}

/// The scalar that starts at a byte of valid UTF-8, and its length.
@inline(__always)
private func decodeScalar(_ text: [UInt8], at position: Int) -> (scalar: UInt32, length: Int) {
  let lead = UInt32(text[position])
  if lead < 0x80 { return (lead, 1) }
  func next(_ offset: Int) -> UInt32 { UInt32(text[position + offset] & 0x3F) }
  if lead < 0xE0 { return ((lead & 0x1F) << 6 | next(1), 2) }
  if lead < 0xF0 { return ((lead & 0x0F) << 12 | next(1) << 6 | next(2), 3) }
  return ((lead & 0x07) << 18 | next(1) << 12 | next(2) << 6 | next(3), 4)
}
