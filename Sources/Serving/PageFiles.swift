import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// The page at `/`: plain files, read once, that ask nothing of any other server.
public struct PageFiles: Sendable {
  /// One file and the path that it is served at.
  struct File: Sendable {
    let path: String
    let response: Response
  }

  let files: [File]

  /// The paths that the files are served at.
  package var paths: [String] { files.map(\.path) }

  /// The files that make up the page, with their types.
  private static let types = [
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "chat.js": "text/javascript; charset=utf-8",
    "cluster.js": "text/javascript; charset=utf-8",
    "markdown.js": "text/javascript; charset=utf-8",
    "server.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
  ]

  /// Reads the files of a folder; nil when it does not have all of them.
  public init?(folder: String) {
    var files: [File] = []
    for (name, type) in Self.types {
      guard let data = FileManager.default.contents(atPath: "\(folder)/\(name)") else { return nil }
      let path = name == "index.html" ? "/" : "/page/\(name)"
      files.append(File(path: path, response: Self.response(data, type: type)))
    }
    self.files = files.sorted { $0.path < $1.path }
  }

  private static func response(_ data: Data, type: String) -> Response {
    Response(
      status: .ok,
      headers: [
        .contentType: type, .cacheControl: "no-cache", .contentSecurityPolicy: policy,
        .xContentTypeOptions: "nosniff", .named("referrer-policy"): "no-referrer",
        .named("cross-origin-opener-policy"): "same-origin",
        .named("cross-origin-resource-policy"): "same-origin",
      ],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
  }

  /// Own files only, no code in the document, no frames around it.
  private static let policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
