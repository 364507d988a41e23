import Kernels

extension Planner {
  /// What a few changes of a cluster would bring; those that make no sense are left out.
  func changes(of cluster: ClusterDescription) -> [ClusterPlan.Change] {
    var changes: [ClusterPlan.Change] = []
    func add(
      _ name: String, _ format: KVFormat? = nil, _ planner: Planner? = nil,
      _ edit: (inout ClusterDescription) -> Void = { _ in }
    ) {
      var changed = cluster
      edit(&changed)
      guard let (steps, _) = try? (planner ?? self).prepare(changed, format ?? kvFormat) else {
        return
      }
      let position = request.contextLength / 2
      let batch = request.batches.max() ?? 1
      let one = steps.predict(.decode(sequences: 1, after: position)).seconds
      let many = steps.predict(.decode(sequences: batch, after: position)).seconds
      changes.append(
        ClusterPlan.Change(
          name: name, decodeTokensPerSecond: 1 / one,
          batchTokensPerSecond: Double(batch) / many,
          prefillTokensPerSecond: Double(request.promptTokenCount)
            / (planner ?? self).prefillSeconds(steps)))
    }
    if let last = cluster.workers.last {
      add("one more host like \(last.name)") { $0.workers.append(last.alone) }
      add("twice the hosts") { cluster in
        cluster.workers += cluster.workers.map(\.alone)
      }
      let slow = cluster.hosts.contains { $0.link.bytesPerSecond < 1.25e9 }
      if slow { add("10 GbE everywhere") { $0.raiseLinks(to: 1.25e9) } }
      add("half the round trip") { $0.scaleRoundTrips(by: 0.5) }
      if let moved = model.movingShared {
        add(
          "shared experts moved (--shared-experts workers)", nil,
          Planner(moved, request, trace: trace))
      }
    } else if model.experts != nil {
      let worker = cluster.coordinator.asWorker(.tenGigabit)
      add("a worker like this machine, 10 GbE") { $0.workers = [worker] }
      add("two workers like this machine, 10 GbE") { $0.workers = [worker, worker] }
    }
    add("twice the memory bandwidth of the coordinator") { $0.coordinator.bytesPerSecond *= 2 }
    if kvFormat != .int8 { add("8-bit keys and values", .int8) { _ in } }
    if let (steps, _) = try? prepare(cluster, kvFormat) {
      if !cluster.workers.isEmpty, model.experts != nil { changes.append(overlapping(steps)) }
      changes.append(speculating(steps))
    }
    return changes
  }

  /// Steps in two parts, where that is faster, as `--overlap auto` finds out.
  private func overlapping(_ steps: StepModel) -> ClusterPlan.Change {
    let position = request.contextLength / 2
    let batch = request.batches.max() ?? 1
    let one = steps.predict(.decode(sequences: 1, after: position)).seconds
    var many = steps.predict(.decode(sequences: batch, after: position)).seconds
    if batch > 1 {
      many = min(
        many,
        steps.secondsInTwoParts(
          .decode(sequences: batch - batch / 2, after: position),
          .decode(sequences: batch / 2, after: position)))
    }
    return ClusterPlan.Change(
      name: "steps in two parts (--overlap)", decodeTokensPerSecond: 1 / one,
      batchTokensPerSecond: Double(batch) / many,
      prefillTokensPerSecond: Double(request.promptTokenCount)
        / prefillSeconds(steps, inTwoParts: true))
  }

  /// Drafts beside each token, as many and as good as named.
  private func speculating(_ steps: StepModel) -> ClusterPlan.Change {
    let position = request.contextLength / 2
    let batch = request.batches.max() ?? 1
    func rate(_ sequences: Int) -> Double {
      let step = StepShape.drafting(
        Self.draftCount, sequences: sequences, after: position)
      return Double(sequences) * Self.tokensPerDraftedStep / steps.predict(step).seconds
    }
    return ClusterPlan.Change(
      name: "2 drafts a token, half of them right (--speculate)", decodeTokensPerSecond: rate(1),
      batchTokensPerSecond: rate(batch),
      prefillTokensPerSecond: Double(request.promptTokenCount) / prefillSeconds(steps))
  }

  private static let draftCount = 2
  /// The token itself, and each draft if all before it were right, which half of them are.
  private static let tokensPerDraftedStep = 1 + 0.5 + 0.25
}

extension HostDescription {
  /// The same on a machine of its own.
  fileprivate var alone: HostDescription {
    var host = self
    host.machine = nil
    return host
  }

  fileprivate func asWorker(_ link: LinkDescription) -> HostDescription {
    var host = alone
    host.link = link
    return host
  }
}

extension LinkDescription {
  /// 10 Gbit/s Ethernet through one switch.
  static let tenGigabit = LinkDescription(bytesPerSecond: 1.25e9, roundTripSeconds: 60e-6)
}

extension ClusterDescription {
  fileprivate mutating func raiseLinks(to bytesPerSecond: Double) {
    coordinator.link.bytesPerSecond = max(coordinator.link.bytesPerSecond, bytesPerSecond)
    for index in workers.indices {
      workers[index].link.bytesPerSecond = max(workers[index].link.bytesPerSecond, bytesPerSecond)
    }
  }

  fileprivate mutating func scaleRoundTrips(by factor: Double) {
    for index in workers.indices { workers[index].link.roundTripSeconds *= factor }
  }
}
