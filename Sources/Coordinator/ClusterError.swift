public import Experts

/// Why the cluster cannot answer, with the worker and the remedy.
public enum ClusterError: Error, Equatable, Sendable, CustomStringConvertible {
  /// An endpoint cannot be used.
  case endpoint(String)
  /// Too few workers joined in time.
  case tooFewWorkers(joined: Int, expected: Int, within: Duration)
  /// The workers cannot hold the experts.
  case placement(String)
  /// A worker went away before it was ready.
  case lostWhileLoading(worker: String, reason: String)
  /// A worker could not load its experts.
  case loadFailed(worker: String, reason: String)
  /// A call that no worker survives, or that was tried too often.
  case hopeless(layer: LayerIndex, reason: String)
  /// A worker says that it cannot answer.
  case workerFailed(layer: LayerIndex, worker: String, reason: String)
  /// A batch does not fit what the workers were told.
  case batch(String)
  /// Workers have followed a newer coordinator.
  case fenced
  /// A worker's link could not be measured.
  case probe(worker: String, reason: String)
  /// A process of ours on this machine could not be started or ended early.
  case localWorker(String)

  /// What failed, where, and what to do, in one line.
  public var description: String {
    switch self {
    case .endpoint(let text), .placement(let text), .batch(let text), .localWorker(let text): text
    case .tooFewWorkers(let joined, let expected, let limit):
      "\(joined) of \(expected) workers joined within \(limit); start the others with "
        + "conclave worker --join, or lower --expect"
    case .fenced:
      "a newer coordinator has taken over the workers; this one ends"
    case .probe(let worker, let reason):
      "the link to \(worker) cannot be measured: \(reason); check that worker's log"
    case .lostWhileLoading(let worker, let reason):
      "\(worker) went away before it was ready: \(reason); check that worker's log"
    case .loadFailed(let worker, let reason):
      "\(worker) could not load its experts: \(reason)"
    case .hopeless(let layer, let reason):
      "layer \(layer): the call was given up after several workers were lost over it, the last time "
        + "because \(reason); check that worker's log"
    case .workerFailed(let layer, let worker, let reason):
      "layer \(layer): \(worker) could not compute: \(reason)"
    }
  }
}
