import ArgumentParser
import Coordinator
import Logging
import Transport

/// Who may join the cluster.
struct ClusterKeyArguments: ParsableArguments {
  @Option(
    name: .customLong("cluster-key"),
    help: ArgumentHelp(
      "This machine's key pair, made with `conclave keys new`; needs --allow-workers.",
      valueName: "file"))
  var clusterKey: String?

  @Option(
    name: .customLong("allow-workers"),
    help: ArgumentHelp(
      "The public keys of the workers that may join, made with `conclave keys allow`. The file is "
        + "read again when it changes.", valueName: "file"))
  var allowWorkers: String?

  @Flag(
    name: .customLong("insecure-cluster"),
    help: "Let anybody who reaches the address join, unencrypted.")
  var isInsecure = false

  /// Fails when strangers could join, or options do not go together.
  func check(listen: String?) throws {
    guard (clusterKey == nil) == (allowWorkers == nil) else {
      throw ValidationError(
        "--cluster-key and --allow-workers belong together; give both or none")
    }
    if clusterKey != nil, isInsecure {
      throw ValidationError(
        "--cluster-key and --insecure-cluster exclude each other; give one of them")
    }
    guard let listen else {
      guard clusterKey == nil, !isInsecure else {
        throw ValidationError(
          "--cluster-key, --allow-workers and --insecure-cluster need --listen")
      }
      return
    }
    guard clusterKey != nil || isInsecure || Loopback.contains(listen) else {
      throw ValidationError(
        "--listen \(listen) is open to other machines, and nobody needs a key to join; give"
          + " --cluster-key and --allow-workers (`conclave keys --help` says how), or"
          + " --insecure-cluster if that is meant")
    }
  }

  /// Reads the files; says so when anybody may join.
  func security(logger: Logger) throws -> ClusterSecurity {
    if isInsecure {
      logger.warning(
        "Anybody who reaches the cluster's address can join it, and read and change what others send"
      )
      return .insecure
    }
    guard let clusterKey, let allowWorkers else { return .thisMachine }
    let pair = try KeyPairFile.read(clusterKey)
    guard AllowListFile.exists(allowWorkers) else {
      throw CommandFailure(
        "\(allowWorkers): there is no such file; `conclave keys allow` makes one")
    }
    return .keys(pair, try AllowList(file: allowWorkers) { Self.log($0, allowWorkers, logger) })
  }

  private static func log(_ event: AllowList.Event, _ file: String, _ logger: Logger) {
    switch event {
    case .refused(let key, let address, let others):
      let more = others == 0 ? "" : " (and \(others) others since the last such line)"
      logger.warning(
        """
        Refused a machine at \(address)\(more): its key is not in \(file); if it is yours, run \
        `conclave keys allow \(key) --name NAME --file \(file)`
        """)
    case .changed(let count): logger.notice("\(file) was read again: \(count) keys")
    case .unreadable(let error): logger.error("The keys stay as they were: \(error)")
    }
  }
}
