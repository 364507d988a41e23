import ArgumentParser
import Foundation

/// `--server URL` and what goes with it: somebody else's server instead of a model here.
struct ServerArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The server's address, for example https://ai.example.com.",
      valueName: "url"))
  var server: String?

  @Option(
    name: .customLong("key-file"),
    help: ArgumentHelp(
      "A file with the API key. (default: CONCLAVE_API_KEY of the environment, if set)",
      valueName: "file"))
  var keyFile: String?

  @Option(
    name: .customLong("tls-authority"),
    help: ArgumentHelp(
      "Trust the certificates (PEM) in this file instead of the system's.", valueName: "file"))
  var tlsAuthority: String?

  static let keyVariable = "CONCLAVE_API_KEY"

  mutating func validate() throws {
    if let server, Self.base(server) == nil {
      throw ValidationError("--server must look like http://HOST:PORT, not \(server)")
    }
    if server == nil, keyFile != nil || tlsAuthority != nil {
      throw ValidationError("--key-file and --tls-authority need --server")
    }
  }

  /// The URL without a path's end, and without /v1, which many write.
  private static func base(_ text: String) -> String? {
    guard let url = URL(string: text), ["http", "https"].contains(url.scheme ?? ""),
      url.host()?.isEmpty == false, url.query() == nil
    else { return nil }
    var base = text
    while base.hasSuffix("/") { base.removeLast() }
    return base.hasSuffix("/v1") ? String(base.dropLast(3)) : base
  }

  /// The server that the options name; nil when they name none.
  func address() throws -> ServerAddress? {
    guard let server, let base = Self.base(server) else { return nil }
    return ServerAddress(base: base, key: try key(), authority: tlsAuthority)
  }

  private func key() throws -> String? {
    guard let keyFile else { return ProcessInfo.processInfo.environment[Self.keyVariable] }
    guard let text = try? String(contentsOfFile: keyFile, encoding: .utf8) else {
      throw CommandFailure("\(keyFile): the API key cannot be read")
    }
    let key = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !key.isEmpty, !key.contains(where: \.isWhitespace) else {
      throw CommandFailure("\(keyFile): this is no file with one API key")
    }
    return key
  }
}

/// Where a server is, and how to be let in.
struct ServerAddress: Sendable {
  /// As in `https://ai.example.com`.
  let base: String
  let key: String?
  /// Certificates to trust instead of the system's.
  let authority: String?
}
