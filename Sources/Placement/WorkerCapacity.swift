/// What a worker brings to the cluster.
public struct WorkerCapacity: Sendable, Hashable {
  /// Whose capacity it is.
  public let worker: WorkerID
  /// Bytes of experts that it may hold, overhead already taken off.
  public let memoryByteCount: Int
  /// Bytes of weights that it reads per second: decides its part of the work.
  public let bytesPerSecond: Double

  /// Describes `worker`; a speed that is no positive number counts as the slowest.
  public init(worker: WorkerID, memoryByteCount: Int, bytesPerSecond: Double) {
    self.worker = worker
    self.memoryByteCount = max(memoryByteCount, 0)
    let isSpeed = bytesPerSecond.isFinite && bytesPerSecond >= 1
    self.bytesPerSecond = isSpeed ? min(bytesPerSecond, 1e15) : 1
  }
}
