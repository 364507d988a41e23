import ArgumentParser
import Foundation

/// Whether a thread that waits for messages of the cluster stays awake.
struct PollingArguments: ParsableArguments {
  @Option(
    name: .customLong("hot-io"),
    help: ArgumentHelp(
      "Poll for messages for up to so many microseconds before sleeping, which shortens every round "
        + "trip and keeps a processor busy while tokens are made; needs 4 processors. Workers of "
        + "--workers do not poll. (default: sleep)",
      valueName: "microseconds"))
  var hotIO: Int?

  /// Processors without which the thread that polls would hold up those that bring messages.
  private static let leastProcessors = 4

  mutating func validate() throws {
    guard let hotIO else { return }
    guard (1...100_000).contains(hotIO) else {
      throw ValidationError("--hot-io must be from 1 to 100000 microseconds, not \(hotIO)")
    }
  }

  /// How long to poll; says so when this machine is too small for it.
  var polling: Duration {
    guard let hotIO else { return .zero }
    let processors = ProcessInfo.processInfo.activeProcessorCount
    guard processors >= Self.leastProcessors else {
      Terminal.note(
        "--hot-io is ignored: it needs \(Self.leastProcessors) processors, there are \(processors)")
      return .zero
    }
    return .microseconds(hotIO)
  }
}
