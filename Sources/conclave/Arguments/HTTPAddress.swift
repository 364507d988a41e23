import ArgumentParser

/// `HOST:PORT`, where the HTTP API listens.
struct HTTPAddress: ExpressibleByArgument, CustomStringConvertible {
  let host: String
  let port: Int

  var description: String { withPort(port) }

  /// The same host with another port, as it stands in a URL.
  func withPort(_ port: Int) -> String {
    host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }

  /// Whether only this machine reaches it.
  var isLoopback: Bool {
    host == "localhost" || host == "::1" || host.wholeMatch(of: /127(\.\d{1,3}){3}/) != nil
  }

  /// Nil unless the text is a host, a colon and a port; IPv6 hosts stand in brackets.
  init?(argument: String) {
    guard let colon = argument.lastIndex(of: ":"),
      let port = Int(argument[argument.index(after: colon)...]), (0...65_535).contains(port)
    else { return nil }
    var host = argument[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty else { return nil }
    self.host = String(host)
    self.port = port
  }
}
