/// The limits that `proto/conclave.proto` states, checked on both sides of the wire.
public enum WireLimits {
  /// Version of the protocol that this build speaks.
  public static let protocolVersion: UInt32 = 1
  /// Bytes of a control message's first frame.
  public static let controlByteCount = 64 << 10
  /// Bytes of a data message's header frame.
  public static let headerByteCount = 4 << 10
  /// Bytes of a chunk of weights.
  public static let chunkByteCount = 4 << 20
  /// Bytes that a probe may carry or ask for.
  public static let probeByteCount = 64 << 20
  /// Rows of one dispatch.
  public static let rowCount = 16_384
  /// Units of one assignment.
  public static let assignedGroupCount = 16_384
  /// Layers of a model, and layers that have routed experts.
  public static let layerCount = 4_096
  /// Expert groups of a layer.
  public static let groupCount = 1_024
  /// Attempts of one call.
  public static let attemptCount: UInt32 = 1_000
  /// Bytes of memory that anything on the wire may claim.
  public static let memoryByteCount: UInt64 = 1 << 50
  /// Bytes of a line of text for people.
  public static let textByteCount = 512
}
