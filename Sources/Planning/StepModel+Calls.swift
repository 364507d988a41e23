internal import Experts
internal import Kernels
internal import Placement

/// The placement as indices, for the inner loop.
struct ResolvedPlacement: Sendable {
  /// Layers × groups: the index of the worker that is asked, −1 for the coordinator.
  let holders: [[Int]]
  /// Of each worker: its machine; the coordinator's is 0.
  let machines: [Int]
  /// Of each machine: how many processes of the cluster run there.
  let processCounts: [Int]

  init(_ model: PlannedModel, _ cluster: ClusterDescription, _ plan: PlacementPlan?) {
    holders = (model.experts?.layers ?? []).map { layer in
      (model.experts?.groups ?? []).map { group in
        plan.flatMap { $0[layer, group].first }.map { Int($0.rawValue) } ?? -1
      }
    }
    var names: [String: Int] = [:]
    if let machine = cluster.coordinator.machine { names[machine] = 0 }
    var counts = [1]
    machines = cluster.workers.map { worker in
      if let machine = worker.machine, let known = names[machine] {
        counts[known] += 1
        return known
      }
      counts.append(1)
      if let machine = worker.machine { names[machine] = counts.count - 1 }
      return counts.count - 1
    }
    processCounts = counts
  }
}

/// What one layer's experts cost a step: the parts add up to the time from dispatch to combined sum.
struct CallTime {
  var shared = 0.0
  var compute = 0.0
  var transfer = 0.0
  var roundTrip = 0.0
  var software = 0.0
  var coordinatorMemory = 0.0
  var workerMemory = 0.0
  /// The workers that were asked.
  var shares: [Share] = []

  struct Share {
    let worker: Int
    var entries = 0
    var distinct = 0
    var rows = 0
    var partials = 0
    var sharedRows = 0
    var sent = 0.0
    var received = 0.0
    var busy = 0.0
  }
}

/// Room for counting one call.
struct CallScratch {
  var drawing: ExpertDraws.Scratch?
  var used: [Bool]  // (experts)
  var lastRow: [Int]  // (1 + workers): the row that was counted last, the coordinator first
  var place: [Int]  // (1 + workers): where its share is, or −1
  var work: [Double]  // (machines): seconds of computing

  init(_ model: StepModel) {
    drawing = model.draws?.makeScratch()
    used = Array(repeating: false, count: model.model.experts?.expertCount ?? 0)
    lastRow = Array(repeating: -1, count: model.cluster.workers.count + 1)
    place = lastRow
    work = Array(repeating: 0, count: model.placement.processCounts.count)
  }
}

extension StepModel {
  /// Draws the experts of all rows for one layer and follows the call.
  func call(
    _ layer: Int, _ step: StepShape, random: inout SeededRandom, scratch: inout CallScratch,
    delay: (_ worker: Int, _ random: inout SeededRandom) -> Double
  ) -> CallTime {
    var call = CallTime()
    let shares = count(layer, rows: step.rowCount, random: &random, scratch: &scratch)
    let shared =
      cluster.coordinator.time(model[.sharedExperts], rows: Double(step.rowCount))
      * (1 / Double(max(model.mixtureLayerCount, 1)))
    for index in scratch.work.indices { scratch.work[index] = 0 }
    scratch.work[0] = shared.seconds
    call.shared = shared.seconds
    call.coordinatorMemory = shared.memorySeconds
    for var share in shares {
      guard share.worker >= 0 else {
        let local = time(share, layer, on: cluster.coordinator)
        call.compute += local.seconds
        call.coordinatorMemory += local.memorySeconds
        scratch.work[0] += local.seconds
        continue
      }
      addBytes(&share, layer)
      let time = time(share, layer, on: cluster.workers[share.worker])
      share.busy = time.seconds
      call.workerMemory = max(call.workerMemory, time.memorySeconds)
      scratch.work[placement.machines[share.worker]] += time.seconds
      call.shares.append(share)
    }
    if !call.shares.isEmpty { follow(&call, scratch.work, random: &random, delay: delay) }
    return call
  }

  /// Who gets what of `rows` rows, in the order of first use.
  private func count(
    _ layer: Int, rows: Int, random: inout SeededRandom, scratch: inout CallScratch
  ) -> [CallTime.Share] {
    guard let draws, let experts = model.experts, var drawing = scratch.drawing else { return [] }
    var shares: [CallTime.Share] = []
    for expert in scratch.used.indices { scratch.used[expert] = false }
    for worker in scratch.place.indices {
      scratch.place[worker] = -1
      scratch.lastRow[worker] = -1
    }
    // Beyond some hundred rows every expert is in use, and shares are what the average says.
    let drawn = min(rows, Self.mostDrawnRows)
    for row in 0..<drawn {
      var lastGroup = -1
      for expert in draws.draw(layer: layer, random: &random, scratch: &drawing) {
        let group = experts.group(of: ExpertID(expert)).rawValue
        let worker = placement.holders[layer][group]
        if scratch.place[worker + 1] < 0 {
          scratch.place[worker + 1] = shares.count
          shares.append(CallTime.Share(worker: worker))
        }
        let place = scratch.place[worker + 1]
        shares[place].entries += 1
        if !scratch.used[expert] { shares[place].distinct += 1 }
        scratch.used[expert] = true
        if scratch.lastRow[worker + 1] != row { shares[place].rows += 1 }
        scratch.lastRow[worker + 1] = row
        if group != lastGroup { shares[place].partials += 1 }
        lastGroup = group
      }
    }
    scratch.drawing = drawing
    return addingShared(layer, rows: rows, to: drawn < rows ? scale(shares, rows, drawn) : shares)
  }

  /// What shares of `drawn` rows would be for `rows` rows.
  private func scale(_ shares: [CallTime.Share], _ rows: Int, _ drawn: Int) -> [CallTime.Share] {
    shares.map { share in
      var share = share
      share.entries = share.entries * rows / drawn
      share.rows = share.rows * rows / drawn
      share.partials = share.partials * rows / drawn
      return share
    }
  }

  /// Every row uses the shared experts, where a worker holds them.
  private func addingShared(
    _ layer: Int, rows: Int, to shares: [CallTime.Share]
  ) -> [CallTime.Share] {
    guard let group = model.experts?.sharedGroup else { return shares }
    var shares = shares
    let worker = placement.holders[layer][group.rawValue]
    if !shares.contains(where: { $0.worker == worker }) {
      shares.append(CallTime.Share(worker: worker))
    }
    for index in shares.indices where shares[index].worker == worker {
      shares[index].rows = rows
      shares[index].sharedRows = rows
    }
    return shares
  }

  static let mostDrawnRows = 256

  func time(
    _ share: CallTime.Share, _ layer: Int, on host: HostDescription
  ) -> WorkTime {
    let rows = Double(share.entries) / Double(max(share.distinct, 1))
    let layer = LayerIndex(layer + firstLayer)
    let routed = host.time(model.expertWork(layer) * share.distinct, rows: rows)
    guard share.sharedRows > 0 else { return routed }
    let shared = host.time(model.sharedWork(layer), rows: Double(share.sharedRows))
    return WorkTime(
      seconds: routed.seconds + shared.seconds,
      memorySeconds: routed.memorySeconds + shared.memorySeconds)
  }

  private var firstLayer: Int { model.experts?.moeLayers.lowerBound ?? 0 }

  func addBytes(_ share: inout CallTime.Share, _ layer: Int) {
    guard let experts = model.experts else { return }
    let layer = LayerIndex(layer + firstLayer)
    let row = experts.inputFormat(layer).byteCount(columns: experts.hiddenSize)
    share.sent = Double(
      share.rows * row + (share.entries + share.sharedRows) * KernelCosts.entryByteCount
        + KernelCosts.messageByteCount)
    share.received = Double(
      share.partials * experts.replyRowByteCount(layer)
        + share.sharedRows * experts.sharedReplyRowByteCount + KernelCosts.messageByteCount)
  }

  /// Follows the messages of a call; the last reply decides.
  private func follow(
    _ call: inout CallTime, _ work: [Double], random: inout SeededRandom,
    delay: (_ worker: Int, _ random: inout SeededRandom) -> Double
  ) {
    var slowest: CallTime?
    for share in call.shares {
      var path = path(of: share, among: call.shares, work)
      path.roundTrip += delay(share.worker, &random)
      if path.total > slowest?.total ?? -1 { slowest = path }
    }
    guard let slowest else { return }
    call.hide(slowest)
  }

  /// What one of the shares of a call takes, when machines compute for `work` seconds each.
  func path(
    of share: CallTime.Share, among shares: [CallTime.Share], _ work: [Double]
  ) -> CallTime {
    let link = cluster.workers[share.worker].link
    let machine = placement.machines[share.worker]
    let received = shares.reduce(0) { $0 + $1.received }
    var path = CallTime()
    path.roundTrip = link.roundTripSeconds
    path.transfer = sendSeconds(share, among: shares)
    path.transfer += max(
      share.received / link.bytesPerSecond, received / cluster.coordinator.link.bytesPerSecond)
    let neighbours = placement.processCounts[machine]
    path.compute = work[machine] * (neighbours > 1 ? KernelCosts.sharedMachineFactor : 1)
    path.software = link.softwareSeconds + Double(shares.count - 1) * KernelCosts.messageSeconds
    path.software += Double(neighbours * (neighbours - 1) / 2) * KernelCosts.sharedMachineSeconds
    return path
  }

  /// Seconds in which the bytes of a share leave, when those of all `shares` do.
  func sendSeconds(_ share: CallTime.Share, among shares: [CallTime.Share]) -> Double {
    let sent = shares.reduce(0) { $0 + $1.sent }
    return max(
      share.sent / cluster.workers[share.worker].link.bytesPerSecond,
      sent / cluster.coordinator.link.bytesPerSecond)
  }
}

extension CallTime {
  fileprivate var total: Double { compute + transfer + roundTrip + software }

  /// Adds what the slowest path takes beyond the coordinator's own work meanwhile.
  ///
  /// Own work hides computing first: it is what remains when links get faster.
  fileprivate mutating func hide(_ path: CallTime) {
    var hidden = shared + compute
    let before = compute
    func visible(_ seconds: Double) -> Double {
      let covered = min(hidden, seconds)
      hidden -= covered
      return seconds - covered
    }
    let computing = visible(path.compute)
    workerMemory = path.compute > 0 ? workerMemory * computing / path.compute : 0
    compute = before + computing
    transfer = visible(path.transfer)
    roundTrip = visible(path.roundTrip)
    software = visible(path.software)
  }
}
