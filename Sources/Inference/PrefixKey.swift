internal import Crypto
package import Tokenization

/// Names the beginning of a sequence by a hash over its tenant and its tokens, block by block.
///
/// Equal keys mean equal beginnings: SHA-256 lets nobody make two that collide. A secret of the
/// process is part of it, so that keys tell nothing to whoever sees them.
package struct PrefixKey: Hashable, Sendable {
  private var words: (UInt64, UInt64, UInt64, UInt64)

  private static let secret = SymmetricKey(size: .bits256)

  /// The beginning of a tenant's sequences, without tokens.
  package init(tenant: String?) {
    var hash = HMAC<SHA256>(key: Self.secret)
    hash.update(data: tenant.map { [1] + Array($0.utf8) } ?? [0])
    words = Self.words(hash.finalize())
  }

  /// The beginning that has the tokens of a block more.
  package func appending(_ tokens: some Sequence<TokenID>) -> Self {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(32 + 256)
    for word in [words.0, words.1, words.2, words.3] { Self.append(word, to: &bytes) }
    for token in tokens { Self.append(UInt32(bitPattern: token), to: &bytes) }
    var key = self
    key.words = Self.words(SHA256.hash(data: bytes))
    return key
  }

  private static func append(_ word: some FixedWidthInteger, to bytes: inout [UInt8]) {
    for shift in stride(from: 0, to: word.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: word >> shift))
    }
  }

  private static func words(
    _ digest: some Sequence<UInt8>
  ) -> (UInt64, UInt64, UInt64, UInt64) {
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    for (index, byte) in digest.enumerated() {
      let part = UInt64(byte) << (8 * (index % 8))
      switch index / 8 {
      case 0: words.0 |= part
      case 1: words.1 |= part
      case 2: words.2 |= part
      default: words.3 |= part
      }
    }
    return words
  }

  package static func == (left: Self, right: Self) -> Bool { left.words == right.words }

  package func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}
