/// What goes wrong in a simulated cluster, and when.
public struct Faults: Sendable {
  /// A worker that dies.
  public struct Loss: Sendable, Equatable {
    /// Its index.
    public var worker: Int
    /// When, in seconds after the start.
    public var time: Double

    /// Lets a worker die at a time.
    public init(worker: Int, time: Double) {
      self.worker = worker
      self.time = time
    }
  }

  /// The part of replies that come late.
  public var lateShare = 0.0
  /// How late they are, in seconds.
  public var lateSeconds = 0.02
  /// Workers that die.
  public var losses: [Loss] = []
  /// Seconds after which the connection of a worker that has died ends.
  public var detectionSeconds = 0.05
  /// Bytes per second at which each worker that is left loads experts of one that was lost.
  public var loadBytesPerSecond = 500e6

  /// Seconds that requests wait for experts that nobody has room for, before they fail.
  public var recoverySeconds = 60.0

  /// Nothing goes wrong.
  public init() {}
}
