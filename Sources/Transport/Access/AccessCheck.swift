import Foundation

/// Proves, with connections of its own, that a listener turns strangers away.
public enum AccessCheck {
  private static let limit: Duration = .seconds(5)

  /// Knocks with a key that nobody knows, and without any key.
  ///
  /// - Parameters:
  ///   - context: The listener's, or another.
  ///   - endpoint: Where it listens.
  ///   - pair: The listener's key.
  ///   - allowList: The listener's list.
  /// - Throws: `KeyError` when one of them is let in, or is not answered.
  public static func run(
    _ context: TransportContext, endpoint: String, pair: KeyPair, allowList: AllowList
  ) throws {
    let stranger = try KeyPair.random()
    try allowList.expectingRefusal(of: stranger.publicKey) {
      try expect(
        .keyRefused, knocking: .client(stranger, server: pair.publicKey), context, endpoint,
        "an unknown key")
    }
    try expect(.otherProtocol, knocking: .none, context, endpoint, "a peer without a key")
  }

  private static func expect(
    _ failure: HandshakeFailure, knocking security: SocketSecurity, _ context: TransportContext,
    _ endpoint: String, _ who: String
  ) throws {
    var options = SocketOptions.control
    options.security = security
    options.linger = .zero
    let dealer = try DealerSocket(
      context, connect: Loopback.reaching(endpoint), as: .random(), options, watchesConnection: true
    )
    let end = ContinuousClock.now + limit
    while ContinuousClock.now < end {
      switch dealer.nextEvent() {
      case nil: Thread.sleep(forTimeInterval: 0.001)
      case .failed(failure): return
      case .established: throw KeyError("\(endpoint) lets in \(who); it must not be used")
      case .failed, .ended: break
      }
    }
    throw KeyError("\(endpoint) does not turn away \(who) as it should; it must not be used")
  }
}
