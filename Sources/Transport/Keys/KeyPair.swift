import CZeroMQ

/// A CURVE key pair: what a machine proves its identity with.
public struct KeyPair: Sendable, CustomStringConvertible {
  /// The half that others may know.
  public let publicKey: PublicKey
  let secret: [UInt8]  // (32)

  /// Says whose it is, never the secret.
  public var description: String { "key pair of \(publicKey)" }

  /// Makes a new pair from the system's random numbers.
  ///
  /// - Throws: `KeyError` when the library was built without CURVE.
  public static func random() throws(KeyError) -> KeyPair {
    try checkLibrary()
    var publicText = [CChar](repeating: 0, count: Z85.byteCount)
    var secretText = [CChar](repeating: 0, count: Z85.byteCount)
    guard unsafe zmq_curve_keypair(&publicText, &secretText) == 0,
      let secret = Z85.decode(secretText)
    else { throw KeyError("no key can be made: this ZeroMQ library lacks CURVE") }
    return try KeyPair(secret: secret)
  }

  /// The pair with this secret half.
  ///
  /// - Throws: `KeyError` for a key that everybody knows.
  init(secret: [UInt8]) throws(KeyError) {
    try Self.checkLibrary()
    var publicText = [CChar](repeating: 0, count: Z85.byteCount)
    guard let text = Z85.encode(secret), unsafe zmq_curve_public(&publicText, text) == 0,
      let bytes = Z85.decode(publicText)
    else { throw KeyError("this is no secret key") }
    publicKey = try PublicKey(bytes: bytes)
    self.secret = secret
  }

  /// Fails unless the library that is loaded can encrypt.
  static func checkLibrary() throws(KeyError) {
    guard unsafe zmq_has("curve") == 1 else {
      throw KeyError(
        "this ZeroMQ library (\(TransportContext.libraryVersion)) was built without CURVE; install"
          + " one with it, as Debian's libzmq5 is")
    }
  }
}

/// The library's own text for keys.
private enum Z85 {
  /// Of 32 bytes, with the zero at the end.
  static let byteCount = 41

  static func decode(_ text: [CChar]) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: PublicKey.byteCount)
    return unsafe zmq_z85_decode(&bytes, text) == nil ? nil : bytes
  }

  static func encode(_ bytes: [UInt8]) -> [CChar]? {
    guard bytes.count == PublicKey.byteCount else { return nil }
    var text = [CChar](repeating: 0, count: byteCount)
    return unsafe zmq_z85_encode(&text, bytes, bytes.count) == nil ? nil : text
  }
}
