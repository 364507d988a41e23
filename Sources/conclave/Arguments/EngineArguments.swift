import ArgumentParser
import Inference

/// How the requests of many clients share the model.
struct EngineArguments: ParsableArguments {
  @Option(
    name: .customLong("kv-memory"),
    help: ArgumentHelp(
      "Memory for keys and values, as 8GiB. (default: room for four requests of the full context)",
      valueName: "size"))
  var kvMemory: ByteCount?

  @Option(
    name: .customLong("max-requests"),
    help: ArgumentHelp("Requests that run at a time; more wait.", valueName: "count"))
  var maxRequests = 64

  @Option(
    name: .customLong("max-waiting"),
    help: ArgumentHelp("Requests that may wait; more are refused.", valueName: "count"))
  var maxWaiting = 256

  @Option(
    name: .customLong("max-itl"),
    help: ArgumentHelp(
      "Milliseconds that a token may take because prompts run beside it. (default: twice what it "
        + "takes alone)", valueName: "milliseconds"))
  var maxInterTokenLatency: Double?

  @Flag(
    name: .customLong("no-prefix-cache"),
    help: "Run every prompt whole, even if it begins like one before.")
  var hasNoPrefixCache = false

  @Option(
    name: .customLong("prefix-disk"),
    help: ArgumentHelp(
      "Put beginnings of prompts that --kv-memory has no room for into a file in this folder. It has "
        + "no name, and ends with the server.", valueName: "folder"))
  var prefixDisk: String?

  @Option(
    name: .customLong("prefix-disk-size"),
    help: ArgumentHelp("The most that --prefix-disk takes. (default: 16GiB)", valueName: "size"))
  var prefixDiskSize: ByteCount?

  @Option(
    help: ArgumentHelp(
      "Keep streams under way in this file, so that they go on after a crash or a restart.",
      valueName: "file"))
  var journal: String?

  mutating func validate() throws {
    guard (1...4096).contains(maxRequests) else {
      throw ValidationError("--max-requests must be from 1 to 4096, not \(maxRequests)")
    }
    guard (0...1_000_000).contains(maxWaiting) else {
      throw ValidationError("--max-waiting must be from 0 to 1000000, not \(maxWaiting)")
    }
    try kvMemory?.checkUnit("--kv-memory")
    try prefixDiskSize?.checkUnit("--prefix-disk-size")
    if prefixDisk != nil, hasNoPrefixCache {
      throw ValidationError("--prefix-disk and --no-prefix-cache exclude each other")
    }
    if prefixDiskSize != nil, prefixDisk == nil {
      throw ValidationError("--prefix-disk-size needs --prefix-disk, the folder for it")
    }
    if let maxInterTokenLatency, !(1...60_000).contains(maxInterTokenLatency) {
      throw ValidationError(
        "--max-itl must be from 1 to 60000 milliseconds, not \(maxInterTokenLatency)")
    }
  }

  /// The choices as the engine takes them.
  var options: EngineOptions {
    var options = EngineOptions()
    options.cacheMemory = kvMemory?.bytes
    options.maxSequences = maxRequests
    options.queueLimit = maxWaiting
    options.maxInterTokenLatency = maxInterTokenLatency.map { .milliseconds($0) }
    options.usesPrefixCache = !hasNoPrefixCache
    options.prefixStore = prefixDisk.map {
      PrefixStoreOptions(folder: $0, byteCount: prefixDiskSize?.bytes ?? 16 << 30)
    }
    return options
  }
}
