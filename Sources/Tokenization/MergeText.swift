internal import ModelFiles

/// The texts of the two tokens that a merge joins.
struct MergeText: Sendable {
  let left: ArraySlice<UInt8>
  let right: ArraySlice<UInt8>
}

extension MergeText {
  /// Splits `left right` at the first space from the second byte on.
  init(_ line: ArraySlice<UInt8>) {
    let space = line.dropFirst().firstIndex(of: UInt8(ascii: " ")) ?? line.endIndex
    left = line[..<space]
    right = line[space...].dropFirst()
  }
}

/// A merge that names something that is no token.
struct UnknownMerge: Error {
  let rank: Int
  let pair: MergeText

  /// What is wrong, for the error that names the file.
  var problem: String {
    let texts = [pair.left, pair.right].map { quoted(String(decoding: $0, as: UTF8.self)) }
    return "merge \(rank) joins \(texts[0]) and \(texts[1]), but these or their union are no tokens"
  }
}

/// A text out of a file, for a message: quoted and not long.
func quoted(_ text: String) -> String {
  text.unicodeScalars.count <= 80 ? "\"\(text)\"" : "\"\(text.unicodeScalars.prefix(80))…\""
}
