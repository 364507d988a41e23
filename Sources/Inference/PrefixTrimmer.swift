/// Takes a given text off the front of a stream, if the stream begins with it.
struct PrefixTrimmer {
  private var missing: [UInt8]  // what of the prefix has not come yet
  private var held: [UInt8] = []

  init(_ prefix: String) {
    missing = Array(prefix.utf8)
  }

  /// The text that is certain.
  mutating func append(_ text: String) -> String {
    guard !missing.isEmpty else { return text }
    let bytes = Array(text.utf8)
    let count = min(bytes.count, missing.count)
    guard bytes[..<count].elementsEqual(missing[..<count]) else {
      missing = []
      defer { held = [] }
      return String(decoding: held + bytes, as: UTF8.self)
    }
    missing.removeFirst(count)
    held = missing.isEmpty ? [] : held + bytes
    return String(decoding: bytes[count...], as: UTF8.self)
  }

  /// What was held back, when the stream ends.
  mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }
}
