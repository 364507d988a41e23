import ArgumentParser
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// Lets a worker of a running cluster go.
struct Drain: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Moves away what a worker of a running server holds, and lets it go.",
    discussion: """
      Run it on the server's machine; without --server it asks http://127.0.0.1:8080. The worker \
      ends when others have loaded its experts; no request notices. The same happens when the \
      worker itself gets SIGTERM.
      """)

  @Argument(help: "The worker's number or name, as GET /cluster shows them.")
  var worker: String

  @OptionGroup(title: "Server") var serverArguments: ServerArguments

  func run() async throws {
    let address =
      try serverArguments.address()
      ?? ServerAddress(base: "http://127.0.0.1:8080", key: nil, authority: nil)
    let name = worker.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? worker
    let client = try address.makeClient()
    var request = HTTPClientRequest(url: address.base + "/cluster/drain/" + name)
    request.method = .POST
    if let key = address.key { request.headers.add(name: "authorization", value: "Bearer \(key)") }
    let answer: Result<(UInt, String), any Error>
    do {
      let response = try await client.execute(request, timeout: .seconds(30))
      let body = try await response.body.collect(upTo: 1 << 20)
      answer = .success((response.status.code, ServerAddress.message(body, response.status.code)))
    } catch {
      answer = .failure(error)
    }
    try await client.shutdown()
    switch answer {
    case .success((202, _)):
      try Output.line("worker \(worker) leaves when others hold its experts")
    case .success((_, let text)): throw CommandFailure("\(address.base): \(text)")
    case .failure(let error):
      throw ServerAddress.unreachable(address.base, error)
    }
  }
}
