/// What a token waits for most, in words.
struct Bottleneck: CustomStringConvertible {
  let description: String

  init(_ time: StepTime, _ cluster: ClusterDescription) {
    let trunk = [
      StepTime.Part.attentionProjections, .attention, .dense, .routers, .shared, .head,
    ].reduce(0) { $0 + time[$1] }
    let local = cluster.workers.isEmpty ? time[.experts] : 0
    let remote = cluster.workers.isEmpty ? 0 : time[.experts]
    let own = trunk + local
    let ownMemory = min(time.coordinatorMemorySeconds, own)
    let remoteMemory = min(time.workerMemorySeconds, remote)
    let causes: [(String, Double)] = [
      ("the memory bandwidth of the coordinator \(cluster.coordinator.name)", ownMemory),
      ("the processors of the coordinator \(cluster.coordinator.name)", own - ownMemory),
      ("the memory bandwidth of the workers", remoteMemory),
      ("the processors of the workers", remote - remoteMemory),
      ("the round trips of the links", time[.roundTrips]),
      ("the bandwidth of the links", time[.transfer]),
      ("the software of calls between processes", time[.software]),
    ]
    let largest = causes.max { $0.1 < $1.1 }
    guard let largest, time.seconds > 0 else { description = "nothing"; return }
    let share = Int((100 * largest.1 / time.seconds).rounded())
    description = "\(largest.0), \(share) % of a token's time"
  }
}
