import Messages
import Telemetry
import Transport

// MARK: - Connections beside the one that dispatches use

extension LinkProber {
  /// How long a worker may take to make a connection.
  private static let connectTimeout: Duration = .seconds(2)

  /// The host that workers reach us at.
  private var host: String { TCPEndpoint(socket.router.endpoint)?.host ?? "127.0.0.1" }

  /// Asks every worker for a plain TCP connection to that port, or any free one, of our host.
  ///
  /// - Returns: The labels of workers that made none, because something between does not let them.
  /// - Throws: `TransportError` when the port cannot be listened on.
  public func connectPlainly(port: Int?) throws -> [String] {
    let listener = try TCPListener(TCPEndpoint(host: host, port: port ?? 0))
    let tokens = links.map { _ in UInt64.random(in: 1 ... .max) }
    try ask(tokens, port: listener.endpoint.port, .tcp)
    let deadline = MonotonicTime.now + Self.connectTimeout
    while channels.contains(where: { $0.plain == nil }), MonotonicTime.now < deadline {
      guard let plain = listener.accept(timeout: .milliseconds(100)) else { continue }
      plain.setTimeout(.seconds(1))
      var bytes = [UInt8](repeating: 0, count: EchoFrame.tokenByteCount)
      guard (try? plain.readAll(into: &bytes, count: bytes.count)) != nil,
        let index = tokens.firstIndex(of: EchoFrame.token(bytes)), channels[index].plain == nil
      else { continue }
      plain.setTimeout(timeout)
      channels[index].plain = TCPChannel(plain, worker: links[index].label)
    }
    return links.indices.filter { channels[$0].plain == nil }.map { links[$0].label }
  }

  /// Asks every worker for a second ZeroMQ connection to that port, or any free one, of our host:
  /// encrypted where the one that dispatches use is not, and the other way round.
  ///
  /// Its key is made for it, and it carries nothing but probes.
  ///
  /// - Returns: The labels of workers that made none.
  /// - Throws: `TransportError` when the port cannot be listened on.
  public func connectOtherwise(port: Int?) throws -> [String] {
    let pair = dataTransport == .zeromq ? try KeyPair.random() : nil
    let context = try TransportContext()
    let router = try RouterSocket(
      context, bind: "tcp://\(host):\(port.map(String.init) ?? "*")",
      SocketOptions.data(maxFrameByteCount: Int64(WireLimits.probeByteCount) + 64 << 10)
        .secured(by: pair.map { .openServer($0) } ?? .none))
    let other = DataSocket(router, model: socket.model)
    let incarnations = links.map { _ in Incarnation.random() }
    try ask(
      incarnations.map(\.rawValue), port: router.port ?? 0,
      pair.map { .curve(serverKey: $0.publicKey.bytes) } ?? .zeromq)
    let deadline = MonotonicTime.now + Self.connectTimeout
    var inbox = Multipart()
    while channels.contains(where: { $0.other == nil }), MonotonicTime.now < deadline {
      guard let sender = try router.receive(&inbox, timeout: .milliseconds(100)),
        let incarnation = other.attachment(inbox),
        let index = incarnations.firstIndex(of: incarnation), channels[index].other == nil
      else { continue }
      let link = links[index]
      channels[index].other = DataChannel(
        other,
        WorkerLink(
          Roster.Worker(
            id: link.id, incarnation: incarnation, epoch: link.epoch, label: link.label),
          peer: sender))
    }
    return links.indices.filter { channels[$0].other == nil }.map { links[$0].label }
  }

  private func ask(_ tokens: [UInt64], port: Int, _ carrier: MeasureHeader.Carrier) throws {
    for (link, token) in zip(links, tokens) {
      var message = Multipart()
      try message.append(byteCount: 0)
      try message.append(byteCount: 0)
      let measure = MeasureHeader(port: port, token: token, carrier: carrier)
      do throws(TransportError) {
        try socket.send(.measure(measure), &message, to: link)
      } catch {
        throw ClusterError.probe(worker: link.label, reason: error.reason)
      }
    }
  }
}
