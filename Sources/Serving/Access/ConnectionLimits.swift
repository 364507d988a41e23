/// How long a client may take for what, and how much of the server one address may have.
public struct ConnectionLimits: Sendable {
  /// Time for the head of a request, from its first byte, or from the beginning of a connection.
  public var headTimeout: Duration = .seconds(10)
  /// Time for the body of a request, from its head.
  public var bodyTimeout: Duration = .seconds(30)
  /// Time without a request after which a connection is closed.
  public var idleTimeout: Duration = .seconds(60)
  /// The most bytes of a request's path and query.
  public var maximumTargetBytes = 8 << 10
  /// The most open connections.
  public var maximumConnections = 1024
  /// The most open connections of one address; those of this machine are not counted.
  public var maximumConnectionsPerAddress = 64

  /// The usual limits.
  public init() {}
}

/// Where a connection is between two requests, and until when it has to get on.
///
/// Holds no clock and no connection.
package struct ConnectionProgress {
  /// What the connection waits for.
  package enum Phase: Equatable {
    /// A request that has not begun; others watch how long.
    case idle
    case head
    case body
    /// The answer: however long it takes.
    case answer
  }

  /// What the caller has to do about the deadline.
  package enum Action: Equatable {
    case none
    case set(Phase)
    case clear
  }

  package private(set) var phase = Phase.head
  private var answersDue = 0

  /// A new connection, whose first head is due.
  package init() {}

  /// Bytes have come.
  package mutating func bytesArrived() -> Action {
    guard phase == .idle else { return .none }
    phase = .head
    return .set(.head)
  }

  /// The head of a request is complete.
  package mutating func headArrived() -> Action {
    answersDue += 1
    phase = .body
    return .set(.body)
  }

  /// A request is complete.
  package mutating func requestEnded() -> Action {
    phase = answersDue == 0 ? .idle : .answer
    return .clear
  }

  /// An answer is complete, perhaps before its request.
  package mutating func answerEnded() -> Action {
    answersDue -= 1
    if phase == .answer, answersDue == 0 { phase = .idle }
    return .none
  }

  /// The deadline has passed: whether the connection has to end.
  ///
  /// A body that the server does not read, because an answer before it is not done, is not late.
  package func deadlinePassed() -> Bool { !(phase == .body && answersDue > 1) }
}
