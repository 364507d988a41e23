import Coordinator
import DeepSeek
import Experts
import Kernels
import ModelFiles
import Placement
import Transport
import Worker

/// Decides who computes shared experts, as `--shared-experts` says.
struct SharedExpertsDecision {
  private let archive: ModelArchive
  private let configuration: ModelConfiguration
  private let arguments: ClusterArguments

  init(
    _ archive: ModelArchive, _ configuration: ModelConfiguration, _ arguments: ClusterArguments
  ) {
    self.archive = archive
    self.configuration = configuration
    self.arguments = arguments
  }

  /// What workers hold for certain: with `auto` no shared experts, until `decide` says otherwise.
  ///
  /// - Throws: Why workers cannot hold shared experts although they are to.
  func catalog() throws -> ExpertCatalog? {
    let wantsShared = arguments.sharedExperts == .workers
    if wantsShared, configuration.mixture?.sharedIntermediateSize ?? 0 == 0 {
      Terminal.note("this model has no shared experts: --shared-experts changes nothing")
    }
    return try configuration.makeCatalog(archive, includesShared: wantsShared)
  }

  /// With `auto` waits for the workers' hellos, and says in one line what is done.
  ///
  /// - Returns: What workers hold if shared experts move to them; nil when all stays as it was.
  func decide(_ cluster: ClusterSession, _ kernels: Kernels) throws -> ExpertCatalog? {
    guard arguments.sharedExperts == .auto, configuration.mixture?.sharedIntermediateSize ?? 0 > 0
    else { return nil }
    func stay(_ reason: String) -> ExpertCatalog? {
      Terminal.note("shared experts stay on the coordinator: \(reason)")
      return nil
    }
    if case .local = arguments.kind { return stay("the workers share its memory") }
    let catalog: ExpertCatalog
    do {
      guard let found = try configuration.makeCatalog(archive, includesShared: true) else {
        return nil
      }
      catalog = found
    } catch {
      return stay("\(error)")
    }
    let offers = try cluster.hear()
    guard let distance = cluster.coordinator.distance, distance.leavesMachine else {
      return stay("the workers share its memory")
    }
    let coordinatorSpeed = Double(MemoryBandwidth.measure())
    // One thread reads that much; all together read more, but who knows how much: whoever gains must
    // do so in either case.
    let choices = [false, true].map { usesAllCores in
      func speed(_ bytes: Double, _ cores: Int) -> Double {
        usesAllCores ? bytes * Double(max(cores, 1)) : bytes
      }
      return SharedExpertsChoice(
        catalog.geometry,
        over: offers.map {
          WorkerCapacity(
            worker: $0.capacity.worker, memoryByteCount: $0.capacity.memoryByteCount,
            bytesPerSecond: speed($0.capacity.bytesPerSecond, $0.coreCount))
        },
        replicas: arguments.replicas,
        coordinatorBytesPerSecond: speed(coordinatorSpeed, kernels.team.threadCount),
        roundTripSeconds: distance.roundTripSeconds + Self.softwareSeconds)
    }
    guard let least = choices.min(by: { $0.gain < $1.gain }) else { return nil }
    guard let workerSeconds = least.workerSeconds else { return stay("the workers lack the room") }
    let figures =
      "a row's experts take an estimated \(Self.milliseconds(workerSeconds)) there, "
      + "\(Self.milliseconds(least.coordinatorSeconds)) with shared experts here"
    guard least.movesToWorkers else { return stay(figures) }
    Terminal.note("shared experts go to the workers: \(figures)")
    return catalog
  }

  /// What a call costs in software, measured on two Zen 5 cores over loopback.
  private static let softwareSeconds = 60e-6

  private static func milliseconds(_ seconds: Double) -> String {
    "\((seconds * 1e5).rounded() / 100) ms"
  }
}
