import ArgumentParser
import Glibc
import Transport

/// `HOST:PORT`, where the HTTP API listens; a port alone is one of loopback.
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

  /// Nil unless the text is a host, a colon and a port, or a port; IPv6 hosts stand in brackets.
  init?(argument: String) {
    let argument = Int(argument) == nil ? argument : "127.0.0.1:" + argument
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

  /// Fails when nobody can listen there now; nobody does afterwards.
  func checkIsFree() throws {
    do { _ = try TCPListener(TCPEndpoint(host: host, port: port)) } catch {
      let reason = unsafe String(cString: strerror(error.code))
      throw CommandFailure("cannot serve on \(self), choose another --http: \(reason)")
    }
  }
}
