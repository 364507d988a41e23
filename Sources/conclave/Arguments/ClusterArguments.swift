import ArgumentParser
import DeepSeek

/// Where the routed experts are.
struct ClusterArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Start this many worker processes on this machine. (default: none, all in this process)",
      valueName: "count"))
  var workers: Int?

  @Option(
    help: ArgumentHelp(
      "Wait for workers here, for example tcp://127.0.0.1:7400; needs --expect.",
      valueName: "address"))
  var listen: String?

  @Option(
    name: .customLong("data-port"),
    help: ArgumentHelp(
      "The second port that workers connect to, with --listen. (default: any free one)",
      valueName: "port"))
  var dataPort: Int?

  @Option(help: ArgumentHelp("How many workers to wait for.", valueName: "count"))
  var expect: Int?

  @Option(
    help: ArgumentHelp(
      "Workers that hold each expert group, so that one may fail.", valueName: "count"))
  var replicas = 1

  @Option(
    name: .customLong("verify-fraction"),
    help: ArgumentHelp(
      "The share of calls that two holders compute, to compare them. (default: 0.001 with replicas)",
      valueName: "fraction"))
  var verifyFraction: Double?

  @Option(
    name: .customLong("routing-trace"),
    help: ArgumentHelp(
      "Place experts for tokens like those recorded with --record-routing.", valueName: "file"))
  var routingTrace: String?

  @Option(
    help: ArgumentHelp(
      "Every so many seconds, move experts between workers and copy those used most where there is "
        + "memory, if recent tokens would have been faster. The answer is the same. (default: never)",
      valueName: "seconds"))
  var rebalance: Double?

  @Option(
    name: .customLong("join-timeout"),
    help: ArgumentHelp("Seconds to wait for all workers to be ready.", valueName: "seconds"))
  var joinTimeout = 600

  @Option(
    name: .customLong("combine-timeout"),
    help: ArgumentHelp(
      "Seconds to wait for a worker's reply before it counts as lost.", valueName: "seconds"))
  var combineTimeout = 30.0

  @Option(
    name: .customLong("recovery-timeout"),
    help: ArgumentHelp(
      "Seconds that requests wait for experts whose workers are lost.", valueName: "seconds"))
  var recoveryTimeout = 60.0

  @Option(
    name: .customLong("shared-experts"),
    help: ArgumentHelp(
      "Who computes the experts that every token uses: coordinator (while routed experts are away), "
        + "workers, or auto (who is faster by an estimate at the start, which waits for all workers "
        + "before it loads the model). The answer is the same.", valueName: "place"))
  var sharedExperts = SharedExpertsPlace.coordinator

  @OptionGroup var keys: ClusterKeyArguments
  @OptionGroup var pollingArguments: PollingArguments

  @Option(
    help: ArgumentHelp(
      "Run the rows of a step in parts, so that one part computes while another one's experts are "
        + "away: off, auto (what is faster), or a number up to \(Overlap.mostParts). The answer is "
        + "the same.", valueName: "parts"))
  var overlap = Overlap.automatic

  static let maximumCount = 256

  mutating func validate() throws {
    if let workers, !(0...Self.maximumCount).contains(workers) {
      throw ValidationError("--workers must be from 0 to \(Self.maximumCount), not \(workers)")
    }
    if let expect, !(1...Self.maximumCount).contains(expect) {
      throw ValidationError("--expect must be from 1 to \(Self.maximumCount), not \(expect)")
    }
    if workers != nil, listen != nil {
      throw ValidationError("--workers and --listen exclude each other; give one of them")
    }
    if listen != nil, expect == nil {
      throw ValidationError("--listen needs --expect, the number of workers to wait for")
    }
    if expect != nil, listen == nil {
      throw ValidationError("--expect needs --listen, the address to wait at")
    }
    if let dataPort, listen == nil || !(1...65_535).contains(dataPort) {
      throw ValidationError("--data-port needs --listen, and must be from 1 to 65535")
    }
    if let listen { try Address.validate(listen, option: "--listen") }
    try keys.check(listen: listen)
    guard (1...16).contains(replicas) else {
      throw ValidationError("--replicas must be from 1 to 16, not \(replicas)")
    }
    if replicas > 1, kind == .none {
      throw ValidationError("--replicas needs workers; give --workers, or --listen and --expect")
    }
    if sharedExperts == .workers, kind == .none {
      throw ValidationError(
        "--shared-experts workers needs workers; give --workers, or --listen and --expect")
    }
    if let verifyFraction {
      guard (0...1).contains(verifyFraction) else {
        throw ValidationError("--verify-fraction must be from 0 to 1, not \(verifyFraction)")
      }
      guard replicas > 1 || verifyFraction == 0 else {
        throw ValidationError("--verify-fraction compares replicas; give --replicas 2 or more")
      }
    }
    if let rebalance {
      guard (0.1...86_400).contains(rebalance) else {
        throw ValidationError("--rebalance must be from 0.1 to 86400 seconds, not \(rebalance)")
      }
      guard kind != .none else {
        throw ValidationError("--rebalance needs workers; give --workers, or --listen and --expect")
      }
    }
    guard (0...86_400).contains(recoveryTimeout) else {
      throw ValidationError(
        "--recovery-timeout must be from 0 to 86400 seconds, not \(recoveryTimeout)")
    }
    guard (1...86_400).contains(joinTimeout) else {
      throw ValidationError("--join-timeout must be from 1 to 86400 seconds, not \(joinTimeout)")
    }
    guard (0.01...86_400).contains(combineTimeout) else {
      throw ValidationError(
        "--combine-timeout must be from 0.01 to 86400 seconds, not \(combineTimeout)")
    }
  }

  /// What the options mean together.
  var kind: Kind {
    if let listen, let expect {
      return .remote(address: Address.toListen(listen), count: expect)
    }
    guard let workers, workers > 0 else { return .none }
    return .local(count: workers)
  }

  /// Where routed experts run.
  enum Kind: Equatable {
    case none
    case local(count: Int)
    case remote(address: String, count: Int)
  }
}

/// Who computes shared experts.
enum SharedExpertsPlace: String, ExpressibleByArgument, CaseIterable {
  case coordinator
  case workers
  case auto
}

/// Addresses of the cluster, as the command line takes them.
enum Address {
  /// The address in the form that sockets listen at, which know numbers and interfaces, no names.
  static func toListen(_ text: String) -> String {
    let name = "tcp://localhost:"
    return text.hasPrefix(name) ? "tcp://127.0.0.1:" + text.dropFirst(name.count) : text
  }

  /// Checks the form `tcp://HOST:PORT`; whether it can be used shows when it is used.
  static func validate(_ text: String, option: String) throws {
    let parts = text.dropFirst("tcp://".count).split(
      separator: ":", omittingEmptySubsequences: false)
    let port = parts.last.flatMap { Int($0) }
    guard text.hasPrefix("tcp://"), parts.count >= 2, let port, (0...65_535).contains(port),
      !parts[0].isEmpty
    else {
      throw ValidationError("\(option) must look like tcp://HOST:PORT, not \(text)")
    }
  }
}
