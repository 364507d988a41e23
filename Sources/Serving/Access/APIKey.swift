import Crypto
import Foundation

/// A key of the HTTP API as the server knows it: whose it is, what it may, and a digest.
public struct APIKey: Sendable, Equatable {
  /// What logs and metrics call its owner.
  public var name: String
  /// SHA-256 of the secret.
  public var digest: [UInt8]  // (32)
  /// The day on which it was made, as in 2026-01-31.
  public var created: String?
  /// What its owner may ask.
  public var limits: Limits

  /// How much one key may ask.
  public struct Limits: Sendable, Equatable {
    /// Requests that begin in any minute; nil is without limit.
    public var requestsPerMinute: Int?
    /// Tokens, of prompts and answers, in any minute; nil is without limit.
    public var tokensPerMinute: Int?
    /// Tokens, of prompts and answers, in any 24 hours; nil is without limit.
    public var tokensPerDay: Int?
    /// Whose requests run first when not all can.
    public var priority = Priority.normal

    /// No limits.
    public init() {}
  }

  /// Whose requests run first when not all can.
  public enum Priority: String, Sendable, CaseIterable {
    /// After all others.
    case low
    /// As most are.
    case normal
    /// Before all others.
    case high
  }

  /// Names a key by its digest.
  ///
  /// - Throws: `KeyFileError` when the name cannot stand in a file, a log or a metric.
  public init(
    name: String, digest: [UInt8], created: String? = nil, limits: Limits = Limits()
  ) throws(KeyFileError) {
    guard Self.isName(name) else {
      throw KeyFileError(
        "\"\(name.prefix(80))\" is no name for a key: use 1 to 64 letters, digits and . _ @ -")
    }
    precondition(digest.count == SHA256.byteCount)
    self.name = name
    self.digest = digest
    self.created = created
    self.limits = limits
  }

  private static func isName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "@"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}

/// What a client sends: 256 random bits as text.
///
/// It is shown once and never stored.
public struct APISecret: Sendable {
  /// The text, which begins with `sk-conclave-`.
  public let text: String

  /// Takes what a client sent.
  public init(_ text: String) { self.text = text }

  /// Makes a new one from the system's random numbers.
  public static func random() -> APISecret {
    var generator = SystemRandomNumberGenerator()
    let words = (0..<4).map { _ in generator.next() }
    let bytes = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
    }
    let text = Data(bytes).base64EncodedString()
      .replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
      .replacingOccurrences(of: "=", with: "")
    return APISecret("sk-conclave-" + text)
  }

  /// SHA-256 of the text.
  ///
  /// It needs no salt and no stretching: nobody guesses 256 random bits.
  public var digest: [UInt8] { Array(SHA256.hash(data: Data(text.utf8))) }
}

/// Compares digests in a time that depends on their count only.
package func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool {
  guard left.count == right.count else { return false }
  var difference: UInt8 = 0
  for index in left.indices { difference |= left[index] ^ right[index] }
  return difference == 0
}
