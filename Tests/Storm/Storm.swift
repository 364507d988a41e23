import Coordinator
import DeepSeek
import Experts
import Foundation
import Inference
import Kernels
import ModelFiles
import Telemetry
import Tokenization

/// A cluster of real processes under faults of every kind, whose answers are compared with those of a
/// run without faults; `Tests/Nightly/storm` says how to run it.
@main
struct Storm {
  static func main() async throws {
    let arguments = Arguments(words: Array(CommandLine.arguments.dropFirst()))
    if arguments.words.first == "worker" {
      do { return try FaultyWorker.run(arguments) } catch {
        try? FileHandle.standardError.write(contentsOf: Data("\(error)\n".utf8))
        exit(1)
      }
    }
    signal(SIGPIPE, SIG_IGN)
    let settings = try Settings(arguments)
    let path =
      arguments.optional("--model") ?? "Sources/conclave/Resources/conclave-demo-q8_0.gguf"
    report(
      "storm: seed \(settings.seed), \(settings.workers) workers, \(settings.replicas) holders")
    var isGood = true
    for hasKeys in arguments.has("--keys-only") ? [true] : [false, true] {
      isGood = try await run(settings, path, hasKeys: hasKeys) && isGood
    }
    exit(isGood ? 0 : 1)
  }

  /// Half of the faults and requests, with keys or without.
  private static func run(
    _ settings: Settings, _ path: String, hasKeys: Bool
  ) async throws -> Bool {
    let archive = try ModelArchive.open(path)
    let kernels = Kernels(team: ThreadTeam(threads: 1))
    guard let shape = try ModelConfiguration(archive).expertShape() else {
      throw CocoaError(.featureUnsupported)
    }
    let catalog = try ExpertCatalog(archive: archive, shape: shape)
    let local = try LocalExperts(loading: catalog, kernels: kernels)
    let calm = try engine(archive, local, kernels)
    let tokenizer = try Tokenizer(archive)
    let known = try await KnownRequests(
      calm, vocabulary: tokenizer.vocabularySize, seed: settings.seed)
    calm.shutdown(cancelling: true)
    let cluster = try StormCluster(settings, archive: archive, catalog: catalog, hasKeys: hasKeys)
    defer { cluster.end() }
    try cluster.start()
    guard let experts = cluster.coordinator.experts else { return false }
    let stormy = try engine(archive, experts, kernels)
    let clients = StormClients(stormy, known)
    let log = FaultLog()
    let begin = MonotonicTime.now
    async let asking: Void = clients.run(clients: settings.clients, seed: settings.seed)
    await breed(cluster, settings, log, clients)
    clients.stop()
    await asking
    stormy.shutdown(cancelling: true)
    await stormy.waitUntilStopped()
    let result = clients.result
    report("\n\(hasKeys ? "with keys (CURVE)" : "without keys")")
    ProofTable.print(log.entries, result.gaps)
    report(
      "requests \(result.requests), tokens \(result.tokens), wrong \(result.wrong), "
        + "lost \(result.lost); faults \(log.count), without a chance \(log.missed), not whole "
        + "again after 30 s \(log.entries.count { !$0.recovered }); "
        + "\(Int((MonotonicTime.now - begin) / .seconds(1))) s")
    report(
      "hedges \(experts.hedgeCount), replies dropped \(experts.staleReplyCount), compared "
        + "\(experts.comparedCount); resident memory \(residentMiB()) MiB, descriptors "
        + "\(descriptorCount()), workers in tables \(cluster.coordinator.workers.count)")
    for problem in result.problems { report("  \(problem)") }
    return result.wrong == 0 && result.lost == 0
  }

  private static func engine(
    _ archive: ModelArchive, _ experts: any ExpertBackend, _ kernels: Kernels
  ) throws -> Engine {
    var options = EngineOptions()
    options.usesPrefixCache = false
    options.contextLength = 256
    options.maxSequences = 16
    nonisolated(unsafe) let model = DeepSeekLanguageModel(
      try DeepSeekModel(archive, kernels: kernels, maxStepRows: 64), experts: experts,
      team: kernels.team)
    return try unsafe Engine(model, tokenizer: try Tokenizer(archive), options: options)
  }

  /// Lets faults happen, some at once, until there were enough of them and of requests.
  private static func breed(
    _ cluster: StormCluster, _ settings: Settings, _ log: FaultLog, _ clients: StormClients
  ) async {
    let begin = MonotonicTime.now
    let turns = DispatchSemaphore(value: settings.atOnce)
    let ended = DispatchSemaphore(value: 0)
    let isOver: @Sendable () -> Bool = {
      let isLate = (MonotonicTime.now - begin) / .seconds(60) > settings.minutes / 2
      return isLate
        || log.count >= settings.faults / 2 && clients.result.requests >= settings.requests / 2
    }
    for slot in cluster.slots {
      let thread = Thread {
        while !isOver() {
          Thread.sleep(forTimeInterval: slot.pause())
          turns.wait()
          let kind = settings.only ?? slot.pick(log.rarest(of: FaultKind.allCases))
          log.begin(kind)
          do {
            log.end(kind, try slot.suffer(kind))
          } catch {
            report("\(kind): \(error)")
            log.end(kind, nil)
          }
          turns.signal()
        }
        ended.signal()
      }
      thread.start()
    }
    await withCheckedContinuation { continuation in
      let thread = Thread {
        var next = MonotonicTime.now + .seconds(30)
        var left = cluster.slots.count
        while left > 0 {
          if ended.wait(timeout: .now() + 1) == .success { left -= 1 }
          guard MonotonicTime.now > next else { continue }
          next = MonotonicTime.now + .seconds(30)
          let now = clients.result
          report(
            "  \(log.count) faults, \(now.requests) requests, \(now.wrong) wrong, \(now.lost) lost"
          )
        }
        continuation.resume()
      }
      thread.start()
    }
  }

  private static func residentMiB() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS") }
    return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0)
      / 1024
  }

  private static func descriptorCount() -> Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
  }
}

/// Prints a line at once.
func report(_ line: String) {
  try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
}
