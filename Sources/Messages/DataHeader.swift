public import Kernels

/// The first frame of a message on the data socket.
public struct DataHeader: Equatable, Sendable {
  /// The worker's incarnation.
  public var incarnation: Incarnation
  /// The placement epoch.
  public var epoch: Epoch
  /// `WireDigest.short` of the model.
  public var model: UInt64
  /// `PayloadChecksum` of the other two frames.
  public var checksum: UInt64
  /// What the message is.
  public var body: Body

  /// Addresses `body`.
  public init(incarnation: Incarnation, epoch: Epoch, model: UInt64, checksum: UInt64, body: Body) {
    self.incarnation = incarnation
    self.epoch = epoch
    self.model = model
    self.checksum = checksum
    self.body = body
  }

  /// The messages of the data socket.
  public enum Body: Equatable, Sendable {
    /// Worker: this connection is that incarnation.
    case attach
    /// Coordinator: rows for experts.
    case dispatch(DispatchHeader)
    /// Worker: weighted partial sums.
    case reply(ReplyHeader)
    /// Coordinator: send an echo.
    case probe(ProbeHeader)
    /// Worker: the answer to a probe.
    case echo(EchoHeader)
    /// Coordinator: is the connection there? Never answered.
    case ping
    /// Coordinator: make one more connection, to measure by.
    case measure(MeasureHeader)
  }
}

/// Encodings of activation rows; raw values are those of the wire.
public enum RowFormat: UInt32, CaseIterable, Sendable {
  /// float32.
  case float32 = 1
  /// int8 codes, then a half-precision scale for each 32.
  case int8Blocks
  /// int16 codes, then a float32 scale for each 32.
  case int16Blocks

  /// The wire's word for the format of dispatched rows.
  public init(_ format: ActivationFormat) {
    switch format {
    case .float32: self = .float32
    case .int8Blocks: self = .int8Blocks
    }
  }

  /// The wire's word for the format of partial sums.
  public init(_ format: ReplyFormat) {
    switch format {
    case .float32: self = .float32
    case .int16Blocks: self = .int16Blocks
    }
  }
}

/// Which call a dispatch or reply belongs to.
public struct Call: Hashable, Sendable {
  /// Engine step, from 1.
  public var step: UInt64
  /// Number of the call, from 1.
  public var number: UInt64
  /// Layer of the experts.
  public var layer: Int
  /// 1 for the first sending of the call to anyone, then 2, 3, ….
  public var attempt: UInt32

  /// Names a call.
  public init(step: UInt64, number: UInt64, layer: Int, attempt: UInt32) {
    self.step = step
    self.number = number
    self.layer = layer
    self.attempt = attempt
  }
}

/// Rows for experts of one layer.
public struct DispatchHeader: Equatable, Sendable {
  /// The call.
  public var call: Call
  /// Rows of the payload.
  public var rowCount: Int
  /// Elements of a row.
  public var width: Int
  /// (row, expert) pairs of the index.
  public var entryCount: Int
  /// Format of the payload's rows.
  public var rowFormat: RowFormat
  /// Format wanted for the reply's rows.
  public var replyFormat: RowFormat
  /// When the coordinator began to write the message, in nanoseconds of its clock.
  public var enqueuedAt: UInt64

  /// States a dispatch.
  public init(
    call: Call, rowCount: Int, width: Int, entryCount: Int, rowFormat: RowFormat,
    replyFormat: RowFormat, enqueuedAt: UInt64
  ) {
    self.call = call
    self.rowCount = rowCount
    self.width = width
    self.entryCount = entryCount
    self.rowFormat = rowFormat
    self.replyFormat = replyFormat
    self.enqueuedAt = enqueuedAt
  }
}

/// Weighted partial sums, one row for each (row, expert group) of a dispatch.
public struct ReplyHeader: Equatable, Sendable {
  /// The call that is answered.
  public var call: Call
  /// Partial sums of the payload.
  public var partialCount: Int
  /// Elements of a partial sum.
  public var width: Int
  /// Format of the payload's rows.
  public var rowFormat: RowFormat
  /// `enqueuedAt` of the dispatch.
  public var enqueuedAt: UInt64
  /// When the worker did what, in nanoseconds of its clock.
  public var times: WorkerTimes
  /// What went wrong, when the call failed.
  public var error: String?

  /// States a reply.
  public init(
    call: Call, partialCount: Int, width: Int, rowFormat: RowFormat, enqueuedAt: UInt64,
    times: WorkerTimes, error: String?
  ) {
    self.call = call
    self.partialCount = partialCount
    self.width = width
    self.rowFormat = rowFormat
    self.enqueuedAt = enqueuedAt
    self.times = times
    self.error = error
  }
}

/// When a worker did what with a dispatch, in nanoseconds of its clock; ascending.
public struct WorkerTimes: Equatable, Sendable {
  /// Taken from the socket.
  public var receivedAt: UInt64
  /// Computation started.
  public var computeStartedAt: UInt64
  /// Computation ended.
  public var computeEndedAt: UInt64
  /// Reply handed to the socket.
  public var repliedAt: UInt64

  /// States the four times.
  public init(
    receivedAt: UInt64, computeStartedAt: UInt64, computeEndedAt: UInt64, repliedAt: UInt64
  ) {
    self.receivedAt = receivedAt
    self.computeStartedAt = computeStartedAt
    self.computeEndedAt = computeEndedAt
    self.repliedAt = repliedAt
  }

  /// Whether each time is at or after the one before.
  public var isAscending: Bool {
    receivedAt <= computeStartedAt && computeStartedAt <= computeEndedAt
      && computeEndedAt <= repliedAt
  }
}

/// A wish for an echo.
public struct ProbeHeader: Equatable, Sendable {
  /// Number of the probe, from 1.
  public var number: UInt64
  /// Bytes wanted in the echo's payload.
  public var echoByteCount: Int
  /// When the coordinator began to write the message, in nanoseconds of its clock.
  public var enqueuedAt: UInt64

  /// States a probe.
  public init(number: UInt64, echoByteCount: Int, enqueuedAt: UInt64) {
    self.number = number
    self.echoByteCount = echoByteCount
    self.enqueuedAt = enqueuedAt
  }
}

/// The answer to a probe.
public struct EchoHeader: Equatable, Sendable {
  /// Number of the probe.
  public var number: UInt64
  /// `enqueuedAt` of the probe.
  public var enqueuedAt: UInt64
  /// When the worker took the probe from its socket, in nanoseconds of its clock.
  public var receivedAt: UInt64
  /// When the worker handed the echo to its socket, in nanoseconds of its clock.
  public var repliedAt: UInt64

  /// States an echo.
  public init(number: UInt64, enqueuedAt: UInt64, receivedAt: UInt64, repliedAt: UInt64) {
    self.number = number
    self.enqueuedAt = enqueuedAt
    self.receivedAt = receivedAt
    self.repliedAt = repliedAt
  }
}

/// A wish for one more connection, which echoes.
public struct MeasureHeader: Equatable, Sendable {
  /// What kind of connection.
  public enum Carrier: Equatable, Sendable {
    /// Plain TCP; see `EchoFrame`.
    case tcp
    /// ZeroMQ, with messages as on the data connection.
    case zeromq
    /// The same, encrypted, with a listener that proves this key of 32 bytes.
    case curve(serverKey: [UInt8])
  }

  /// Bytes of a server's key.
  public static let keyByteCount = 32

  /// The port on the host that the worker joined.
  public var port: Int
  /// What the connection is known by, never 0.
  public var token: UInt64
  /// What kind of connection.
  public var carrier: Carrier

  /// States the wish.
  public init(port: Int, token: UInt64, carrier: Carrier = .tcp) {
    self.port = port
    self.token = token
    self.carrier = carrier
  }
}
