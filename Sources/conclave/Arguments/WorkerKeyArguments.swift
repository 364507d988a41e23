import ArgumentParser
import Logging
import Transport
import Worker

/// What a worker proves, and which coordinator it trusts.
struct WorkerKeyArguments: ParsableArguments {
  @Option(
    name: .customLong("cluster-key"),
    help: ArgumentHelp(
      "This machine's key pair, made with `conclave keys new`; needs --coordinator-key.",
      valueName: "file"))
  var clusterKey: String?

  @Option(
    name: .customLong("coordinator-key"),
    help: ArgumentHelp(
      "The coordinator's public key, or a file of those that are trusted, made with `conclave keys "
        + "allow`. Repeatable: while the coordinator changes its key, both are valid.",
      valueName: "key"))
  var coordinatorKey: [String] = []

  @Flag(
    name: .customLong("insecure-cluster"),
    help: "Work for whoever answers at the address, unencrypted.")
  var isInsecure = false

  /// Fails when any machine could pose as the coordinator, or options do not go together.
  func check(join: String) throws {
    guard (clusterKey == nil) == coordinatorKey.isEmpty else {
      throw ValidationError(
        "--cluster-key and --coordinator-key belong together; give both or none")
    }
    if clusterKey != nil, isInsecure {
      throw ValidationError(
        "--cluster-key and --insecure-cluster exclude each other; give one of them")
    }
    guard clusterKey != nil || isInsecure || Loopback.contains(join) else {
      throw ValidationError(
        "--join \(join) is another machine, and there is no key to know it by; give --cluster-key"
          + " and --coordinator-key (`conclave keys --help` says how), or --insecure-cluster if that"
          + " is meant")
    }
  }

  /// Reads the files; says so when no key is needed.
  func security(logger: Logger) throws -> WorkerSecurity {
    if isInsecure {
      logger.warning("Whoever answers at the coordinator's address is trusted, and all is readable")
      return .insecure
    }
    guard let clusterKey else { return .thisMachine }
    return .keys(try KeyPairFile.read(clusterKey), trusted: try trusted(logger))
  }

  private func trusted(_ logger: Logger) throws -> AllowList {
    if let file = coordinatorKey.first, coordinatorKey.count == 1, AllowListFile.exists(file) {
      return try AllowList(file: file) { event in
        if case .unreadable(let error) = event {
          logger.error("The trusted keys stay as they were: \(error)")
        }
      }
    }
    var keys: [PublicKey: String] = [:]
    for text in coordinatorKey { keys[try PublicKey(text)] = "coordinator" }
    return AllowList(keys)
  }
}
