/// A host and a TCP port, as in `192.168.1.10:7400` or `tcp://[::1]:7400`.
public struct TCPEndpoint: Sendable, Equatable, CustomStringConvertible {
  /// A name or an address, without brackets.
  public let host: String
  /// 0 to listen on any free port.
  public let port: Int

  /// A host and its port.
  public init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// Nil unless the text is a host, a colon and a port; IPv6 hosts stand in brackets.
  public init?(_ text: String) {
    let text = text.hasPrefix("tcp://") ? text.dropFirst("tcp://".count) : Substring(text)
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (0...65_535).contains(port)
    else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty else { return nil }
    self.init(host: String(host), port: port)
  }

  /// The form that `init` reads.
  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
