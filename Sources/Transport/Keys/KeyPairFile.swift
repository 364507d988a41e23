/// A file with the key pair of one machine.
///
/// ```
/// public 6f0c…
/// secret 91ab…
/// ```
public enum KeyPairFile {
  private static let maximumByteCount = 4 << 10
  private static let title = """
    # The key of one machine of a conclave cluster. Whoever has this file is that machine: leave it
    # where it was made, and give others its public half only.

    """

  /// Reads a key pair.
  ///
  /// - Throws: `KeyError` when there is none, when others can read it, or for an example key.
  public static func read(_ path: String) throws(KeyError) -> KeyPair {
    let text = try PrivateFile.read(path, maximumByteCount: maximumByteCount)
    return try parse(text, path: path)
  }

  /// The key pair that a file's text has; `path` is for errors.
  package static func parse(_ text: String, path: String) throws(KeyError) -> KeyPair {
    let wrong = KeyError("\(path): this is no key pair; `conclave keys new FILE` makes one")
    var fields: [Substring: Substring] = [:]
    for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.isEmpty { continue }
      guard words.count == 2, fields.updateValue(words[1], forKey: words[0]) == nil else {
        throw wrong
      }
    }
    guard fields.count == 2, let publicText = fields["public"], let secretText = fields["secret"],
      let secret = HexDigits.bytes(of: secretText), secret.count == PublicKey.byteCount
    else { throw wrong }
    do throws(KeyError) {
      let pair = try KeyPair(secret: secret)
      guard pair.publicKey == (try PublicKey(publicText)) else {
        throw KeyError("its two halves do not belong together; make a new one")
      }
      return pair
    } catch {
      throw KeyError("\(path): \(error)")
    }
  }

  /// Writes a key pair for its owner alone; never over another file.
  ///
  /// - Throws: `KeyError` when the file exists or cannot be written.
  public static func write(_ pair: KeyPair, to path: String) throws(KeyError) {
    try PrivateFile.write(text(of: pair), to: path, replaces: false)
  }

  static func text(of pair: KeyPair) -> String {
    title + "public \(pair.publicKey)\nsecret \(HexDigits.text(of: pair.secret))\n"
  }
}
