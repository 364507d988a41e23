import ArgumentParser
import Logging
import Serving

/// Who may ask the server, and how it proves who it is.
struct AccessArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "API keys, made with `conclave keys api new`. The file is read again when it changes.",
      valueName: "file"))
  var keys: String?

  @Flag(
    name: .customLong("open-without-keys"),
    help: "Listen for other machines although nobody needs a key.")
  var isOpenWithoutKeys = false

  @Option(
    name: .customLong("tls-certificate"),
    help: ArgumentHelp(
      "Serve HTTPS with this certificate chain (PEM); needs --tls-key.", valueName: "file"))
  var tlsCertificate: String?

  @Option(
    name: .customLong("tls-key"),
    help: ArgumentHelp("The certificate's private key (PEM).", valueName: "file"))
  var tlsKey: String?

  @Option(
    name: .customLong("allow-host"),
    help: ArgumentHelp(
      "A name by which clients may call this server, besides its address; repeatable. On loopback, "
        + "and as soon as one is given, other names are refused.", valueName: "name"))
  var allowHost: [String] = []

  @Option(
    name: .customLong("allow-origin"),
    help: ArgumentHelp(
      "A site whose pages may ask this server from a browser, as https://chat.example; repeatable. "
        + "* is any site.", valueName: "origin"))
  var allowOrigin: [String] = []

  @Option(
    name: .customLong("connections-per-address"),
    help: ArgumentHelp(
      "Connections that one address may have at once; raise it for a proxy on another machine.",
      valueName: "count"))
  var connectionsPerAddress = ConnectionLimits().maximumConnectionsPerAddress

  mutating func validate() throws {
    guard (1...1_000_000).contains(connectionsPerAddress) else {
      throw ValidationError(
        "--connections-per-address must be 1 or more, not \(connectionsPerAddress)")
    }
    for origin in allowOrigin
    where origin != "*"
      && origin.wholeMatch(of: /[A-Za-z-]+:\/\/[^\/\s]+|null/) == nil
    {
      throw ValidationError(
        "--allow-origin must be a site without a path, as https://chat.example, or *, not \(origin)"
      )
    }
    guard (tlsCertificate == nil) == (tlsKey == nil) else {
      throw ValidationError("--tls-certificate and --tls-key belong together; give both or none")
    }
    if keys != nil, isOpenWithoutKeys {
      throw ValidationError("--keys and --open-without-keys exclude each other; give one of them")
    }
  }

  /// Fails when strangers could ask without a key.
  func check(_ address: HTTPAddress) throws {
    guard address.isLoopback || keys != nil || isOpenWithoutKeys else {
      throw ValidationError(
        "--http \(address) is open to other machines, and nobody needs a key; give --keys FILE"
          + " (`conclave keys api new` makes it), or --open-without-keys if that is meant")
    }
  }

  /// Reads the files and sets what they say.
  func apply(
    to options: inout ChatServer.Options, at address: HTTPAddress, logger: Logger
  ) throws {
    options.connectionLimits.maximumConnectionsPerAddress = connectionsPerAddress
    options.allowedOrigins = Set(allowOrigin.map { $0.lowercased() })
    options.keys = try keys.map { try KeyRing(file: $0, logger: logger) }
    if let tlsCertificate, let tlsKey {
      options.tls = try ServerTLS(certificateFile: tlsCertificate, keyFile: tlsKey)
    }
    guard address.isLoopback || !allowHost.isEmpty else {
      options.hostNames = nil
      return
    }
    let own = ["localhost", "127.0.0.1", "[::1]"]
    let bound = address.host.contains(":") ? "[\(address.host)]" : address.host
    options.hostNames = Set((own + [bound] + allowHost).map { $0.lowercased() })
  }
}
