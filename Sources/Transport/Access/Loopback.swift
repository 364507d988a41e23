/// Addresses of the cluster that only this machine reaches.
public enum Loopback {
  /// Whether `tcp://HOST:PORT` can be reached from this machine alone; false for what is not sure.
  public static func contains(_ endpoint: String) -> Bool {
    let scheme = "tcp://"
    guard endpoint.hasPrefix(scheme), let colon = endpoint.lastIndex(of: ":") else { return false }
    let start = endpoint.index(endpoint.startIndex, offsetBy: scheme.count)
    guard colon >= start else { return false }
    let name = endpoint[start..<colon]
    if name == "localhost" || name == "[::1]" { return true }
    let numbers = name.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
    return numbers.count == 4 && numbers[0] == 127 && numbers.allSatisfy { $0 != nil }
  }

  /// The endpoint through which this machine reaches a listener that is bound to all its addresses.
  static func reaching(_ endpoint: String) -> String {
    endpoint.replacing("tcp://0.0.0.0:", with: "tcp://127.0.0.1:")
      .replacing("tcp://*:", with: "tcp://127.0.0.1:").replacing(
        "tcp://[::]:", with: "tcp://[::1]:")
  }
}
