import CMessages
import CProtobufC

extension MessageCodec {
  /// Writes `header` into `bytes`, replacing what they were; allocates nothing once they have grown.
  ///
  /// - Throws: `WireError` when a value exceeds what the wire allows.
  public func encode(_ header: DataHeader, into bytes: inout [UInt8]) throws(WireError) {
    arena.reset()
    let wire = unsafe try arena.allocate(Conclave__DataHeader.self)
    unsafe conclave__data_header__init(wire)
    unsafe wire.pointee.protocol = WireLimits.protocolVersion
    unsafe wire.pointee.incarnation = header.incarnation.rawValue
    unsafe wire.pointee.epoch = header.epoch.rawValue
    unsafe wire.pointee.model = header.model
    unsafe wire.pointee.checksum = header.checksum
    switch header.body {
    case .attach:
      unsafe wire.pointee.body_case = CONCLAVE__DATA_HEADER__BODY_ATTACH
      unsafe wire.pointee.attach = try arena.allocate(Conclave__Attach.self)
      unsafe conclave__attach__init(wire.pointee.attach)
    case .ping:
      unsafe wire.pointee.body_case = CONCLAVE__DATA_HEADER__BODY_PING
      unsafe wire.pointee.ping = try arena.allocate(Conclave__Ping.self)
      unsafe conclave__ping__init(wire.pointee.ping)
    case .dispatch(let dispatch):
      unsafe wire.pointee.body_case = CONCLAVE__DATA_HEADER__BODY_DISPATCH
      unsafe wire.pointee.dispatch = try encode(dispatch)
    case .reply(let reply):
      unsafe wire.pointee.body_case = CONCLAVE__DATA_HEADER__BODY_REPLY
      unsafe wire.pointee.reply = try encode(reply)
    case .probe(let probe):
      unsafe wire.pointee.body_case = CONCLAVE__DATA_HEADER__BODY_PROBE
      unsafe wire.pointee.probe = try encode(probe)
    case .echo(let echo):
      unsafe wire.pointee.body_case = CONCLAVE__DATA_HEADER__BODY_ECHO
      unsafe wire.pointee.echo = try encode(echo)
    case .measure(let measure):
      unsafe wire.pointee.body_case = CONCLAVE__DATA_HEADER__BODY_MEASURE
      unsafe wire.pointee.measure = try encode(measure)
    }
    unsafe try pack(
      wire, limit: WireLimits.headerByteCount, into: &bytes, FieldChecks(message: "DataHeader"))
  }

  private func encode(_ call: Call) throws(WireError) -> UnsafeMutablePointer<Conclave__Call> {
    let checks = FieldChecks(message: "Call")
    let wire = unsafe try arena.allocate(Conclave__Call.self)
    unsafe conclave__call__init(wire)
    unsafe wire.pointee.step = call.step
    unsafe wire.pointee.number = call.number
    unsafe wire.pointee.layer = try checks.field(
      call.layer, "layer", in: 0...WireLimits.layerCount - 1)
    unsafe wire.pointee.attempt = call.attempt
    return unsafe wire
  }

  private func encode(
    _ dispatch: DispatchHeader
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__Dispatch> {
    let checks = FieldChecks(message: "Dispatch")
    let wire = unsafe try arena.allocate(Conclave__Dispatch.self)
    unsafe conclave__dispatch__init(wire)
    unsafe wire.pointee.call = try encode(dispatch.call)
    unsafe wire.pointee.row_count = try checks.field(
      dispatch.rowCount, "row_count", in: 1...WireLimits.rowCount)
    unsafe wire.pointee.width = try checks.field(dispatch.width, "width", in: 1...65_536)
    unsafe wire.pointee.entry_count = try checks.field(
      dispatch.entryCount, "entry_count", in: dispatch.rowCount...dispatch.rowCount * 64)
    unsafe wire.pointee.row_format = Conclave__RowFormat(rawValue: dispatch.rowFormat.rawValue)
    unsafe wire.pointee.reply_format = Conclave__RowFormat(
      rawValue: dispatch.replyFormat.rawValue)
    unsafe wire.pointee.enqueued_at = dispatch.enqueuedAt
    return unsafe wire
  }

  private func encode(
    _ reply: ReplyHeader
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__Reply> {
    let checks = FieldChecks(message: "Reply")
    let wire = unsafe try arena.allocate(Conclave__Reply.self)
    unsafe conclave__reply__init(wire)
    unsafe wire.pointee.call = try encode(reply.call)
    unsafe wire.pointee.partial_count = try checks.field(
      reply.partialCount, "partial_count", in: 0...WireLimits.rowCount * 64)
    unsafe wire.pointee.width = try checks.field(reply.width, "width", in: 1...65_536)
    unsafe wire.pointee.row_format = Conclave__RowFormat(rawValue: reply.rowFormat.rawValue)
    unsafe wire.pointee.enqueued_at = reply.enqueuedAt
    unsafe wire.pointee.received_at = reply.times.receivedAt
    unsafe wire.pointee.compute_started_at = reply.times.computeStartedAt
    unsafe wire.pointee.compute_ended_at = reply.times.computeEndedAt
    unsafe wire.pointee.replied_at = reply.times.repliedAt
    if let error = reply.error {
      unsafe wire.pointee.has_error = 1
      unsafe wire.pointee.error = try arena.text(
        error, limit: WireLimits.textByteCount, checks, "error")
    }
    return unsafe wire
  }

  private func encode(
    _ probe: ProbeHeader
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__Probe> {
    let checks = FieldChecks(message: "Probe")
    let wire = unsafe try arena.allocate(Conclave__Probe.self)
    unsafe conclave__probe__init(wire)
    unsafe wire.pointee.number = probe.number
    unsafe wire.pointee.echo_bytes = try checks.field(
      probe.echoByteCount, "echo_bytes", in: 0...WireLimits.probeByteCount)
    unsafe wire.pointee.enqueued_at = probe.enqueuedAt
    return unsafe wire
  }

  private func encode(
    _ echo: EchoHeader
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__Echo> {
    let wire = unsafe try arena.allocate(Conclave__Echo.self)
    unsafe conclave__echo__init(wire)
    unsafe wire.pointee.number = echo.number
    unsafe wire.pointee.enqueued_at = echo.enqueuedAt
    unsafe wire.pointee.received_at = echo.receivedAt
    unsafe wire.pointee.replied_at = echo.repliedAt
    return unsafe wire
  }

  private func encode(
    _ measure: MeasureHeader
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__Measure> {
    let checks = FieldChecks(message: "Measure")
    try checks.require(measure.token != 0, "token is 0")
    let wire = unsafe try arena.allocate(Conclave__Measure.self)
    unsafe conclave__measure__init(wire)
    unsafe wire.pointee.port = try checks.field(measure.port, "port", in: 1...65_535)
    unsafe wire.pointee.token = measure.token
    switch measure.carrier {
    case .tcp: break
    case .zeromq:
      unsafe wire.pointee.has_zeromq = 1
      unsafe wire.pointee.zeromq = 1
    case .curve(let key):
      try checks.require(
        key.count == MeasureHeader.keyByteCount, "server_key has \(key.count) bytes, not 32")
      unsafe wire.pointee.has_zeromq = 1
      unsafe wire.pointee.zeromq = 1
      unsafe wire.pointee.has_server_key = 1
      unsafe wire.pointee.server_key = try arena.bytes(key)
    }
    return unsafe wire
  }
}
