/// The tokens of short pieces seen before in a text: words repeat.
///
/// Direct-mapped and of fixed size (160 KB), so that no text can make it grow; a piece simply takes
/// the place of the one before it.
struct PieceCache {
  /// A piece of at most 15 bytes, with its length.
  struct Key: Equatable {
    fileprivate var low: UInt64 = 0
    fileprivate var high: UInt64 = 0

    /// The key of a piece, or nil when it is too long.
    @inline(__always)
    init?(_ text: [UInt8], _ piece: Range<Int>) {
      guard piece.count <= 15 else { return nil }
      for index in piece {
        high = high << 8 | low >> 56
        low = low << 8 | UInt64(text[index])
      }
      high |= UInt64(piece.count) << 56
    }

    fileprivate var place: Int {
      let mixed = (low ^ high &* 0xC2B2_AE3D_27D4_EB4F) &* 0x9E37_79B9_7F4A_7C15
      return Int(truncatingIfNeeded: mixed >> 52)
    }
  }

  private struct Entry {
    var key: Key?
    var count = 0
    var ids = InlineArray<4, TokenID>(repeating: 0)
  }

  private var entries = [Entry](repeating: Entry(), count: 4096)

  /// Adds the tokens of a piece that is here; false when it is not.
  @inline(__always)
  func append(_ key: Key, to ids: inout [TokenID]) -> Bool {
    let place = key.place
    guard entries[place].key == key else { return false }
    for index in 0..<entries[place].count { ids.append(entries[place].ids[index]) }
    return true
  }

  /// Keeps the tokens of a piece, unless there are more than four.
  mutating func insert(_ key: Key, _ tokens: ArraySlice<TokenID>) {
    guard tokens.count <= 4 else { return }
    var entry = Entry(key: key, count: tokens.count)
    for (index, token) in tokens.enumerated() { entry.ids[index] = token }
    entries[key.place] = entry
  }
}
