import NIOCore

/// Tells a client that asks without TLS, where TLS is spoken, what is wrong.
///
/// Stands before TLS. Otherwise the client would only see that the connection ends.
final class PlainRequestAnswer: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private var hasAnswered = false

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if hasAnswered { return }
    let first = unwrapInboundIn(data).readableBytesView.first
    guard let first, Self.beginsMethod(first) else {
      context.fireChannelRead(data)
      context.pipeline.syncOperations.removeHandler(self, promise: nil)
      return
    }
    hasAnswered = true
    let closed = context.eventLoop.makePromise(of: Void.self)
    closed.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: Self.answer)), promise: closed)
  }

  /// Methods are capital letters; a handshake begins with 22 (RFC 8446, section 5.1).
  private static func beginsMethod(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
  }

  private static let answer: String = {
    let body = #"""
      {"error":{"message":"this port speaks HTTPS only: begin the URL with https://",\#
      "type":"invalid_request_error","param":null,"code":"https_required"}}
      """#
    return """
      HTTP/1.1 400 Bad Request\r
      Content-Type: application/json\r
      Content-Length: \(body.utf8.count)\r
      Connection: close\r
      \r
      \(body)
      """
  }()
}
