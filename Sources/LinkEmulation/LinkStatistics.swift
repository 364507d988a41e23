public import Telemetry

/// What went through an emulated link.
public struct LinkStatistics: Sendable {
  /// What went one way.
  public struct Way: Sendable {
    /// Bytes that came from the sender.
    public internal(set) var byteCount = 0
    /// Bursts that they came in: what was there at one moment, or a piece of it.
    public internal(set) var burstCount = 0
    /// Bytes that vanished.
    public internal(set) var droppedByteCount = 0
    /// Bytes that were changed.
    public internal(set) var flippedByteCount = 0
    /// How much later than they should bursts were passed on.
    public internal(set) var lateness = LatencyHistogram()
  }

  /// What went forward.
  public internal(set) var forward = Way()
  /// What went backward.
  public internal(set) var backward = Way()
  /// Connections that were taken.
  public internal(set) var connectionCount = 0
  /// Connections that were reset, by the script or because the far side refused.
  public internal(set) var resetCount = 0

  /// Nothing counted yet.
  init() {}

  subscript(_ direction: LinkDirection) -> Way {
    get { direction == .forward ? forward : backward }
    _modify {
      if direction == .forward { yield &forward } else { yield &backward }
    }
  }
}
