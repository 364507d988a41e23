import HTTPTypes
import Hummingbird

/// Refuses requests whose `Host` is not a name of this server.
///
/// A page of the web may have its own name lead to 127.0.0.1 (DNS rebinding) and then ask whatever
/// listens there as if it were its own server; the browser still says the page's name. A page can
/// also send a form or a text to 127.0.0.1 without being allowed to see the answer: the browser says
/// that, too.
struct HostMiddleware: RouterMiddleware {
  let names: Set<String>
  /// Whose pages may ask all the same.
  let origins: Set<String>

  func handle(
    _ request: Request, context: ServingContext,
    next: (Request, ServingContext) async throws -> Response
  ) async throws -> Response {
    if request.headers[.fetchSite] == "cross-site", request.method != .get,
      !OriginMiddleware.allows(request.headers[.origin] ?? "", in: origins)
    {
      throw APIError.invalid(
        "a page of another site may not ask this server (--allow-origin lets one)",
        code: "cross_site", status: .forbidden)
    }
    guard let host = request.head.authority, !names.contains(Self.name(of: host)) else {
      return try await next(request, context)
    }
    throw APIError.invalid(
      "this server is not \"\(host.prefix(80))\"; ask for it by a name that it has"
        + " (--allow-host adds one)", code: "unknown_host", status: .misdirectedRequest)
  }

  /// The host without the port, lower case.
  static func name(of authority: String) -> String {
    let text = authority.lowercased()
    if text.hasPrefix("["), let end = text.firstIndex(of: "]") { return String(text[...end]) }
    guard let colon = text.lastIndex(of: ":") else { return text }
    return String(text[..<colon])
  }
}

extension HTTPField.Name {
  /// Where a request of a browser comes from.
  fileprivate static let fetchSite = named("sec-fetch-site")
}
