import ArgumentParser
import Kernels

/// How this process computes; the answer is the same with every choice.
struct ComputeArguments: ParsableArguments {
  @Option(
    name: [.customShort("t"), .long],
    help: ArgumentHelp(
      "Compute threads. (default: what this machine and its limits allow)", valueName: "count"))
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "Kernel variant, instead of the fastest one that this machine has.", valueName: "variant"))
  var kernels: KernelVariant?

  mutating func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads must be from 1 to 1024, not \(threads)")
    }
  }

  var threadCount: Int { threads ?? ThreadTeam.recommendedThreadCount }

  /// The kernels with their thread team.
  func makeKernels() throws -> Kernels {
    let variant = kernels ?? .best
    guard KernelVariant.available.contains(variant) else {
      let available = KernelVariant.available.map(\.rawValue).joined(separator: ", ")
      throw CommandFailure(
        "this machine cannot run \(variant.rawValue) kernels; it has \(available)")
    }
    return Kernels(
      variant: variant, team: ThreadTeam(threads: threadCount))
  }

  /// The same choice as arguments for a process that this one starts.
  var arguments: [String] {
    (threads.map { ["--threads", String($0)] } ?? [])
      + (kernels.map { ["--kernels", $0.rawValue] } ?? [])
  }
}
