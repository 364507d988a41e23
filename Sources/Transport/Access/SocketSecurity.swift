import CZeroMQ

/// Who a socket lets in, or whom it trusts.
public enum SocketSecurity: Sendable {
  /// Everybody, unencrypted: between processes of one machine only.
  case none
  /// A listening socket: peers prove a key of the list, and this one's is the pair.
  case server(KeyPair, AllowList)
  /// A listening socket that encrypts and lets in whoever knows this one's public key: for measuring,
  /// with a pair that nothing else uses, in a context without an allow-list.
  case openServer(KeyPair)
  /// A connecting socket: the pair is its own, `server` is the key that the listener has to prove.
  case client(KeyPair, server: PublicKey)

  /// What the authentication server is asked about; it knows one domain only.
  static let domain = "conclave"

  /// The list of a server.
  var allowList: AllowList? {
    guard case .server(_, let list) = self else { return nil }
    return list
  }
}

extension Socket {
  /// Sets keys, before the socket is bound or connected.
  func set(_ security: SocketSecurity) throws(TransportError) {
    switch security {
    case .none: return
    case .server(let pair, _):
      try set(ZMQ_CURVE_SERVER, Int32(1))
      try set(ZMQ_CURVE_SECRETKEY, bytes: pair.secret)
      try set(ZMQ_ZAP_DOMAIN, bytes: Array(SocketSecurity.domain.utf8))
      // Without an answer nobody is let in; the default would be everybody.
      try set(ZMQ_ZAP_ENFORCE_DOMAIN, Int32(1))
    case .openServer(let pair):
      try set(ZMQ_CURVE_SERVER, Int32(1))
      try set(ZMQ_CURVE_SECRETKEY, bytes: pair.secret)
    case .client(let pair, let server):
      try set(ZMQ_CURVE_SERVERKEY, bytes: server.bytes)
      try set(ZMQ_CURVE_PUBLICKEY, bytes: pair.publicKey.bytes)
      try set(ZMQ_CURVE_SECRETKEY, bytes: pair.secret)
    }
  }
}
