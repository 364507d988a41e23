extension StepModel {
  /// Seconds of a step that is run in two parts: one part's experts are away while the other one's
  /// trunk is computed.
  ///
  /// In the long run a layer takes as long as the busiest machine or direction of a link needs for both
  /// parts, or as one part's trunk and call after each other, whichever is longest; the last call is
  /// waited for.
  func secondsInTwoParts(_ first: StepShape, _ second: StepShape) -> Double {
    let parts = [predict(first), predict(second)]
    let calls = parts.map { time in
      time[.shared] + time[.experts] + time[.transfer] + time[.roundTrips] + time[.software]
    }
    let trunks = zip(parts, calls).map { $0.seconds - $1 }
    // What each machine computes for both parts; the coordinator's is the first.
    var work = placement.processCounts.map { _ in 0.0 }
    for (time, trunk) in zip(parts, trunks) {
      work[0] += trunk + time[.shared]
      for (worker, seconds) in time.busySeconds.enumerated() {
        work[placement.machines[worker]] += seconds
      }
    }
    let alone = zip(trunks, calls).map(+).max() ?? 0
    let lastCall = (calls.last ?? 0) / Double(max(model.mixtureLayerCount, 1))
    return max(work.max() ?? 0, linkSeconds(parts), alone) + lastCall
  }

  /// Seconds for which the busiest direction of a link carries bytes.
  private func linkSeconds(_ parts: [StepTime]) -> Double {
    let port = cluster.coordinator.link.bytesPerSecond
    var (sent, received, busiest) = (0.0, 0.0, 0.0)
    for (index, worker) in cluster.workers.enumerated() {
      let out = parts.reduce(0) { $0 + $1.sentByteCounts[index] }
      let back = parts.reduce(0) { $0 + $1.receivedByteCounts[index] }
      sent += out
      received += back
      busiest = max(busiest, max(out, back) / worker.link.bytesPerSecond)
    }
    return max(busiest, sent / port, received / port)
  }
}

extension StepShape {
  /// A token and `drafts` guesses after it, of each of `sequences` sequences after `length` others.
  static func drafting(_ drafts: Int, sequences: Int, after length: Int) -> StepShape {
    let rows = drafts + 1
    return StepShape(
      rowCount: sequences * rows, logitRowCount: sequences * rows,
      attendedPositionCount: sequences * (rows * length + rows * (rows + 1) / 2),
      cachedPositionCount: sequences * (length + rows))
  }
}
