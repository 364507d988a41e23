public import Kernels
public import Logging
public import ModelFiles
public import Transport
import Foundation
import Telemetry

/// How a worker daemon runs.
public struct WorkerOptions: Sendable {
  /// The coordinator's control endpoint, as in `tcp://192.168.1.10:7171`.
  public var join: String
  /// What this worker proves, and whom it trusts.
  public var security = WorkerSecurity.thisMachine
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
  public var drainTimeout: Duration = .seconds(300)
  /// Called about once a second, as long as the compute thread is not stuck.
  public var onProgress: (@Sendable () -> Void)?
  /// Time for one dispatch, or without bytes of an expert group that is loaded, after which the
  /// compute thread counts as stuck.
  ///
  /// A dispatch may do so earlier: after many times what such dispatches take. Then `run` ends.
  public var stuckLimit: Duration = .seconds(120)
  /// How long the compute thread polls for dispatches before it sleeps.
  public var polling: Duration = .zero
  /// Whether every partial sum is zeros, so that what is not computing can be measured.
  package var answersZeros = false
  /// Where lines for people go.
  public var logger: Logger
  /// What a test breaks; nil outside tests.
  package var faults: (any WorkerFaults)?

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

/// What a worker proves to its coordinator, and which coordinator it trusts.
public enum WorkerSecurity: Sendable {
  /// Nothing and any, at an address of this machine; others are refused.
  case thisMachine
  /// The pair is this worker's; the coordinator has to prove one of the trusted keys.
  case keys(KeyPair, trusted: AllowList)
  /// Nothing and any, at any address.
  case insecure

  /// What the sockets need; successive attempts to connect try one trusted key after another.
  func socketSecurity(attempt: Int) throws(WorkerError) -> SocketSecurity {
    guard case .keys(let pair, let trusted) = self else { return .none }
    trusted.refresh()
    let keys = trusted.keys.sorted { "\($0)" < "\($1)" }
    guard !keys.isEmpty else {
      throw .options("no coordinator is trusted; give its public key as --coordinator-key")
    }
    return .client(pair, server: keys[attempt % keys.count])
  }

  /// Fails when this worker would give its work to whoever answers at an address.
  func check(_ endpoint: String) throws(WorkerError) {
    guard case .thisMachine = self, endpoint.contains("://"), !Loopback.contains(endpoint) else {
      return
    }
    throw .options(
      "\(endpoint) is another machine, and there is no key to know it by; pass --cluster-key and"
        + " --coordinator-key (`conclave keys --help` says how), or --insecure-cluster if that is"
        + " meant")
  }

  /// Why nothing can be agreed on with the coordinator at an address, and what to do.
  func explanation(of failure: HandshakeFailure, at endpoint: String) -> String {
    switch (failure, self) {
    case (.keyRefused, .keys(let pair, _)):
      "the coordinator at \(endpoint) does not let this worker's key in; there, run `conclave keys"
        + " allow \(pair.publicKey) --name NAME --file FILE`"
    case (.otherProtocol, .keys):
      "what listens at \(endpoint) does not use keys, or is no coordinator; start it with"
        + " --cluster-key and --allow-workers"
    case (_, .keys):
      "the coordinator at \(endpoint) hung up; if that goes on, it has another key than"
        + " --coordinator-key says"
    case (_, .thisMachine), (_, .insecure):
      "the coordinator at \(endpoint) wants keys, or is no coordinator; pass --cluster-key and"
        + " --coordinator-key"
    }
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
  /// What joining anew may cure: a connection that changes bytes, experts that cannot be loaded now.
  case interrupted(String)
  /// The compute thread does not get on: only a new process can be trusted.
  case stuck(for: Duration)
  /// Options that cannot work.
  case options(String)

  /// What failed and what to do, in one line.
  public var description: String {
    switch self {
    case .refused(let endpoint, let text): "refused by the coordinator at \(endpoint): \(text)"
    case .transfer(let text), .assignment(let text), .interrupted(let text), .options(let text):
      text
    case .stuck(let time):
      "the compute thread has been at one piece of work for \(Int(time / .seconds(1))) s; this"
        + " process ends, let a service manager start it again"
    }
  }
}
