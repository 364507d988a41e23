/// Bytes from a peer, or values meant for one, that break the protocol.
public enum WireError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A frame that is not a message of this protocol, or breaks one of its rules.
  case malformed(message: String, problem: String)
  /// The peer speaks another version of the protocol.
  case protocolVersion(UInt32)

  /// What is wrong, in one line.
  public var description: String {
    switch self {
    case .malformed(let message, let problem):
      "\(message): \(problem)"
    case .protocolVersion(let version):
      "the peer speaks protocol \(version), this build speaks \(WireLimits.protocolVersion); "
        + "run the same release of conclave on every machine"
    }
  }
}

/// Checks of one message's fields, so that each error names the message.
struct FieldChecks {
  let message: String

  func error(_ problem: String) -> WireError {
    .malformed(message: message, problem: problem)
  }

  func require(_ holds: Bool, _ problem: @autoclosure () -> String) throws(WireError) {
    if !holds { throw error(problem()) }
  }

  /// A foreign number as an `Int`, when it lies in `range`.
  func integer(
    _ value: some FixedWidthInteger, _ field: StaticString, in range: ClosedRange<Int>
  ) throws(WireError) -> Int {
    guard let number = Int(exactly: value), range.contains(number) else {
      throw error("\(field) \(value) is outside \(range.lowerBound)…\(range.upperBound)")
    }
    return number
  }

  /// An `Int` of ours as a field of the wire, when it lies in `range`.
  func field<Field: FixedWidthInteger>(
    _ value: Int, _ field: StaticString, in range: ClosedRange<Int>
  ) throws(WireError) -> Field {
    guard range.contains(value), let number = Field(exactly: value) else {
      throw error("\(field) \(value) is outside \(range.lowerBound)…\(range.upperBound)")
    }
    return number
  }
}
