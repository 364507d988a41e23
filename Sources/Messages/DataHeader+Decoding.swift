import CMessages
import CProtobufC

extension MessageCodec {
  /// Reads the header frame of a data message; allocates nothing unless a reply carries an error.
  ///
  /// - Throws: `WireError.protocolVersion` for a peer of another version, else `.malformed`.
  public func decodeData(_ frame: RawSpan) throws(WireError) -> DataHeader {
    arena.reset()
    let checks = FieldChecks(message: "DataHeader")
    try checks.require(
      frame.byteCount <= WireLimits.headerByteCount,
      "\(frame.byteCount) bytes are more than \(WireLimits.headerByteCount)")
    guard
      let wire = unsafe arena.unpack(frame, with: conclave__data_header__unpack)?.pointee
    else { throw checks.error("\(frame.byteCount) bytes that are no such message") }
    unsafe try check(frame, wire.has_frame_checksum == 0 ? nil : wire.frame_checksum, checks)
    guard unsafe wire.protocol == WireLimits.protocolVersion else {
      throw unsafe .protocolVersion(wire.protocol)
    }
    guard let incarnation = unsafe Incarnation(rawValue: wire.incarnation) else {
      throw checks.error("incarnation is 0")
    }
    return unsafe DataHeader(
      incarnation: incarnation, epoch: Epoch(rawValue: wire.epoch), model: wire.model,
      checksum: wire.checksum, body: try body(wire, checks))
  }

  private func body(
    _ wire: Conclave__DataHeader, _ checks: FieldChecks
  ) throws(WireError) -> DataHeader.Body {
    switch unsafe wire.body_case {
    case CONCLAVE__DATA_HEADER__BODY_ATTACH: return .attach
    case CONCLAVE__DATA_HEADER__BODY_PING: return .ping
    case CONCLAVE__DATA_HEADER__BODY_DISPATCH:
      if let dispatch = unsafe wire.dispatch {
        return .dispatch(unsafe try decode(dispatch.pointee))
      }
    case CONCLAVE__DATA_HEADER__BODY_REPLY:
      if let reply = unsafe wire.reply { return .reply(unsafe try decode(reply.pointee)) }
    case CONCLAVE__DATA_HEADER__BODY_PROBE:
      if let probe = unsafe wire.probe { return .probe(unsafe try decode(probe.pointee)) }
    case CONCLAVE__DATA_HEADER__BODY_ECHO:
      if let echo = unsafe wire.echo?.pointee {
        return unsafe .echo(
          EchoHeader(
            number: echo.number, enqueuedAt: echo.enqueued_at, receivedAt: echo.received_at,
            repliedAt: echo.replied_at))
      }
    case CONCLAVE__DATA_HEADER__BODY_MEASURE:
      if let measure = unsafe wire.measure?.pointee {
        return unsafe .measure(try decode(measure))
      }
    default: break
    }
    throw checks.error("no body that this build knows")
  }

  private func decode(
    _ wire: UnsafeMutablePointer<Conclave__Call>?, _ checks: FieldChecks
  ) throws(WireError) -> Call {
    guard let wire = unsafe wire?.pointee else { throw checks.error("call is missing") }
    return unsafe Call(
      step: wire.step, number: wire.number,
      layer: try checks.integer(wire.layer, "layer", in: 0...WireLimits.layerCount - 1),
      attempt: UInt32(
        try checks.integer(wire.attempt, "attempt", in: 1...Int(WireLimits.attemptCount))))
  }

  private func decode(
    _ wire: Conclave__RowFormat, _ checks: FieldChecks
  ) throws(WireError) -> RowFormat {
    guard let format = RowFormat(rawValue: wire.rawValue) else {
      throw checks.error("row format \(wire.rawValue) is not known")
    }
    return format
  }

  private func decode(_ wire: Conclave__Measure) throws(WireError) -> MeasureHeader {
    let checks = FieldChecks(message: "Measure")
    unsafe try checks.require(wire.token != 0, "token is 0")
    var measure = MeasureHeader(
      port: unsafe try checks.integer(wire.port, "port", in: 1...65_535),
      token: unsafe wire.token)
    guard unsafe wire.has_zeromq != 0, unsafe wire.zeromq != 0 else { return measure }
    measure.carrier = .zeromq
    if unsafe wire.has_server_key != 0 {
      let key = unsafe wire.server_key.array
      try checks.require(
        key.count == MeasureHeader.keyByteCount, "server_key has \(key.count) bytes, not 32")
      measure.carrier = .curve(serverKey: key)
    }
    return measure
  }

  private func decode(_ wire: Conclave__Dispatch) throws(WireError) -> DispatchHeader {
    let checks = FieldChecks(message: "Dispatch")
    let rowCount = unsafe try checks.integer(
      wire.row_count, "row_count", in: 1...WireLimits.rowCount)
    return unsafe DispatchHeader(
      call: try decode(wire.call, checks), rowCount: rowCount,
      width: try checks.integer(wire.width, "width", in: 1...65_536),
      entryCount: try checks.integer(
        wire.entry_count, "entry_count", in: rowCount...rowCount * 64),
      rowFormat: try decode(wire.row_format, checks),
      replyFormat: try decode(wire.reply_format, checks), enqueuedAt: wire.enqueued_at)
  }

  private func decode(_ wire: Conclave__Reply) throws(WireError) -> ReplyHeader {
    let checks = FieldChecks(message: "Reply")
    let times = unsafe WorkerTimes(
      receivedAt: wire.received_at, computeStartedAt: wire.compute_started_at,
      computeEndedAt: wire.compute_ended_at, repliedAt: wire.replied_at)
    try checks.require(times.isAscending, "its times do not ascend")
    return unsafe ReplyHeader(
      call: try decode(wire.call, checks),
      partialCount: try checks.integer(
        wire.partial_count, "partial_count", in: 0...WireLimits.rowCount * 64),
      width: try checks.integer(wire.width, "width", in: 1...65_536),
      rowFormat: try decode(wire.row_format, checks), enqueuedAt: wire.enqueued_at, times: times,
      error: wire.has_error == 0
        ? nil : try wire.error.text(limit: WireLimits.textByteCount, checks, "error"))
  }

  private func decode(_ wire: Conclave__Probe) throws(WireError) -> ProbeHeader {
    let checks = FieldChecks(message: "Probe")
    return unsafe ProbeHeader(
      number: wire.number,
      echoByteCount: try checks.integer(
        wire.echo_bytes, "echo_bytes", in: 0...WireLimits.probeByteCount),
      enqueuedAt: wire.enqueued_at)
  }
}
