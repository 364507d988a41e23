public import Kernels
public import Logging
public import ModelFiles
import Foundation
import Telemetry

/// How a worker daemon runs.
public struct WorkerOptions: Sendable {
  /// The coordinator's control endpoint, as in `tcp://192.168.1.10:7171`.
  public var join: String
  /// What logs call this worker.
  public var name: String
  /// Bytes of experts that may be resident.
  public var memoryBudget: Int
  /// What computes.
  public var kernels: Kernels
  /// Threads that compute, as the coordinator is told.
  public var cores: Int
  /// The model file that this worker has, if any.
  public var model: ModelArchive?
  /// Version of the program, as the coordinator is told.
  public var software: String
  /// Whether the end of standard input ends the daemon: its parent is gone.
  public var endsWithStandardInput = false
  /// Whether to measure the bandwidth of memory before joining, in about 0.1 s.
  public var measuresBandwidth = true
  /// Pause before joining again after a refusal that may pass.
  public var retryPause: Duration = .seconds(2)
  /// How long a worker that is asked to go waits for others to take over what it holds.
  public var drainTimeout: Duration = .seconds(20)
  /// Where lines for people go.
  public var logger: Logger

  /// Options for a worker that joins `endpoint`; the rest has defaults.
  public init(
    join endpoint: String, memoryBudget: Int, kernels: Kernels, cores: Int,
    model: ModelArchive? = nil, software: String, logger: Logger
  ) {
    join = endpoint
    name = "\(ProcessInfo.processInfo.hostName):\(ProcessInfo.processInfo.processIdentifier)"
    self.memoryBudget = memoryBudget
    self.kernels = kernels
    self.cores = cores
    self.model = model
    self.software = software
    self.logger = logger
  }
}

/// Why a worker daemon ended other than by request.
public enum WorkerError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The coordinator refused this worker.
  case refused(by: String, text: String)
  /// A chunk of weights did not arrive, or not as it was sent.
  case transfer(String)
  /// The assignment does not fit this worker or its model.
  case assignment(String)
  /// The data connection changes bytes.
  case link(String)
  /// Options that cannot work.
  case options(String)

  /// What failed and what to do, in one line.
  public var description: String {
    switch self {
    case .refused(let endpoint, let text): "refused by the coordinator at \(endpoint): \(text)"
    case .transfer(let text), .assignment(let text), .link(let text), .options(let text): text
    }
  }
}
