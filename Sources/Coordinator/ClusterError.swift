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
  /// A worker went away while it was needed.
  case lost(layer: LayerIndex, worker: String, reason: String)
  /// A worker did not answer in time.
  case noReply(layer: LayerIndex, worker: String, limit: Duration)
  /// A worker sent what no worker sends.
  case garbage(layer: LayerIndex, worker: String, what: String)
  /// A worker says that it cannot answer.
  case workerFailed(layer: LayerIndex, worker: String, reason: String)
  /// A batch does not fit what the workers were told.
  case batch(String)
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
    case .probe(let worker, let reason):
      "the link to \(worker) cannot be measured: \(reason); check that worker's log"
    case .lostWhileLoading(let worker, let reason):
      "\(worker) went away before it was ready: \(reason); check that worker's log"
    case .loadFailed(let worker, let reason):
      "\(worker) could not load its experts: \(reason)"
    case .lost(let layer, let worker, let reason):
      "layer \(layer): \(worker) is gone: \(reason); check that worker's log and start again"
    case .noReply(let layer, let worker, let limit):
      "layer \(layer): no reply from \(worker) within \(limit); check that worker's log, or raise "
        + "the combine timeout"
    case .garbage(let layer, let worker, let what):
      "layer \(layer): \(worker) sent \(what); it was dropped: run the same release on every "
        + "machine and check that worker's memory and network"
    case .workerFailed(let layer, let worker, let reason):
      "layer \(layer): \(worker) could not compute: \(reason)"
    }
  }
}
