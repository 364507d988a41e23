import ArgumentParser
import Foundation
import Logging
import ModelFiles
import Worker

/// The worker daemon.
struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker",
    abstract: "Joins a coordinator and computes experts for it.",
    usage: """
      conclave worker --join <address> [<options>]
      conclave worker --describe [--json]
      """,
    discussion: """
      A worker needs no copy of the model: without --model it receives its experts from the \
      coordinator. When the coordinator ends, it waits for the next one at the same address, with \
      its experts still in memory. SIGTERM and Ctrl-C first let others take over what it holds, for \
      as long as --drain-timeout says; a second one ends it at once. To join another machine it \
      needs keys: `conclave keys --help` shows the few steps.
      """)

  @Option(
    help: ArgumentHelp(
      "The coordinator's address, for example tcp://192.168.1.10:7400.", valueName: "address"))
  var join: String?

  @Option(
    help: ArgumentHelp(
      "This machine's copy of the model: only this worker's experts are read from it.",
      valueName: "path"))
  var model: String?

  @Option(
    help: ArgumentHelp(
      "Memory for experts, for example 20GiB. (default: most of what is free)", valueName: "size"))
  var memory: ByteCount?

  @Option(help: ArgumentHelp("What the coordinator calls this worker.", valueName: "name"))
  var name: String?

  @Option(
    name: .customLong("drain-timeout"),
    help: ArgumentHelp(
      "Seconds that others have to take over this worker's experts when it is told to end.",
      valueName: "seconds"))
  var drainTimeout = 300.0

  @Flag(
    help: "Join nobody: measure this machine and print its entry for the hosts file of `plan`.")
  var describe = false

  @Flag(help: "With --describe: print one JSON object.")
  var json = false

  @Flag(
    name: .customLong("end-with-input"),
    help: ArgumentHelp("End when standard input is closed.", visibility: .hidden))
  var endsWithInput = false

  @OptionGroup(title: "Keys") var keyArguments: WorkerKeyArguments
  @OptionGroup(title: "Logs") var logArguments: LogArguments
  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments
  @OptionGroup var pollingArguments: PollingArguments

  mutating func validate() throws {
    guard !json || describe else {
      throw ValidationError("--json needs --describe; what a worker says are lines for people")
    }
    if let join {
      try Address.validate(join, option: "--join")
      try keyArguments.check(join: join)
    }
    guard (0...86_400).contains(drainTimeout) else {
      throw ValidationError(
        "--drain-timeout must be from 0 to 86400 seconds, not \(drainTimeout)")
    }
    try memory?.checkUnit("--memory")
    if let name, name.isEmpty || name.utf8.count > 128 {
      throw ValidationError("--name must have 1 to 128 bytes")
    }
  }

  func run() throws {
    if describe { return try printDescription() }
    guard let join else { throw ValidationError("Missing expected argument '--join <address>'") }
    let logger = endsWithInput ? Logger.command(.critical) : logArguments.makeLogger()
    let security = try keyArguments.security(logger: logger)  // before a large file is read
    if let memory, memory.bytes > MachineMemory.total {
      logger.warning(
        """
        --memory is \(Quantity.bytes(memory.bytes)), and this machine has \
        \(Quantity.bytes(MachineMemory.total)): the coordinator may give it more than fits
        """)
    }
    var options = WorkerOptions(
      join: join, memoryBudget: memory?.bytes ?? MachineMemory.forExperts,
      kernels: try computeArguments.makeKernels(), cores: computeArguments.threadCount,
      model: try model.map { try ModelArchive.open($0) },
      software: Conclave.configuration.version, logger: logger)
    options.security = security
    options.polling = pollingArguments.polling
    options.drainTimeout = .seconds(drainTimeout)
    if ServiceNotice.isWatched { options.onProgress = { ServiceNotice.alive() } }
    options.endsWithStandardInput = endsWithInput
    options.measuresBandwidth = !endsWithInput  // equal machines need no comparing
    if let name { options.name = name }
    let daemon = WorkerDaemon(options)
    // Ctrl-C reaches all processes of a terminal; a local worker leaves it to its parent.
    if endsWithInput { signal(SIGINT, SIG_IGN) }
    let interrupts = Interrupts(endsWithInput ? [SIGTERM] : [SIGINT, SIGTERM])
    defer { interrupts.release() }
    interrupts.onSignal { [endsWithInput] in
      if endsWithInput { daemon.stop() } else { daemon.drain() }
    }
    FreedMemory.goesBack()
    try daemon.run()
  }

  private func printDescription() throws {
    let host = try HostMeasurement(
      name: name ?? ProcessInfo.processInfo.hostName,
      memory: memory?.bytes ?? MachineMemory.forExperts, kernels: computeArguments.makeKernels())
    if json { return try Output.line(host.json.text) }
    for line in host.yaml { try Output.line(line) }
  }
}
