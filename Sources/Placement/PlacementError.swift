/// Why no placement exists, with the numbers.
public enum PlacementError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Nobody to give experts to.
  case noWorkers
  /// All experts together are larger than what the workers offer.
  case tooLarge(neededByteCount: Int, offeredByteCount: Int, workerCount: Int)
  /// There is memory enough, but no worker has room left for a whole group.
  case fragmented(groupByteCount: Int, neededByteCount: Int, offeredByteCount: Int)
  /// The experts fit, but not that many copies of each group on distinct workers.
  case copiesTooLarge(copies: Int, copyByteCount: Int, offeredByteCount: Int, workerCount: Int)

  /// One line: what does not fit, and what to do.
  public var description: String {
    switch self {
    case .noWorkers:
      return "there is no worker to hold the routed experts; start one with conclave worker --join"
    case .tooLarge(let needed, let offered, let count):
      let workers = count == 1 ? "1 worker offers" : "\(count) workers offer"
      return "the routed experts need \(binarySize(needed)), \(workers) \(binarySize(offered)); "
        + "add workers, or raise their --memory"
    case .fragmented(let group, let needed, let offered):
      return "the routed experts need \(binarySize(needed)) in groups of \(binarySize(group)), the "
        + "workers offer \(binarySize(offered)) but none has room for one more group; "
        + "add a worker, or raise their --memory"
    case .copiesTooLarge(let copies, let copy, let offered, let count):
      let workers = count == 1 ? "1 worker offers" : "\(count) workers offer"
      return "\(copies) copies of the routed experts need \(copies) times \(binarySize(copy)) on "
        + "distinct workers, \(workers) \(binarySize(offered)); add workers, raise their --memory, or "
        + "lower --replicas"
    }
  }
}

/// A size in the largest binary unit that it fills, with two decimals, rounded up.
package func binarySize(_ byteCount: Int) -> String {
  let (shift, unit) =
    byteCount >= 1 << 30 ? (30, "GiB") : byteCount >= 1 << 20 ? (20, "MiB") : (10, "KiB")
  let hundredths = Int((Double(byteCount) * 100 / Double(1 << shift)).rounded(.up))
  let fraction = hundredths % 100
  return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) \(unit)"
}
