import Experts
import Messages
import Telemetry
import Transport

// MARK: - The same call computed twice

extension RemoteExperts {
  /// How long a worker that computed wrongly may not join again.
  private static let wrongAnswerPause: Duration = .seconds(600)

  /// Sends a share to a second holder, too, so that their answers can be compared.
  func sendTwice(_ slot: CallSlot, share: Int, sentTo worker: Int) throws {
    let layer = LayerIndex(slot.tracker.call.layer)
    guard routes.states[worker] == .live,
      let twin = routes.twin(of: worker, layer, slot.split.shares[share].groups)
    else { return }
    let attempt = slot.tracker.nextAttempt()
    checks.begin(
      call: slot.tracker.call.number, layer: layer, slot.work(of: share),
      first: (worker, 1), second: (twin, attempt))
    try send(
      slot, share: share, to: twin, attempt: attempt, enqueuedAt: MonotonicTime.nanoseconds)
  }

  /// Compares an answer with that of the other worker, if it is one of two.
  func compare(_ reply: ReplyHeader, from worker: Int) {
    let (number, attempt) = (reply.call.number, reply.call.attempt)
    guard checks.awaits(call: number, worker: worker, attempt: attempt) else { return }
    let checksum = PayloadChecksum.of(index: inbox.frame(1), payload: inbox.frame(2))
    guard
      let check = checks.answer(
        call: number, worker: worker, attempt: attempt, checksum: checksum),
      check.differs
    else { return }
    settle(check)
  }

  /// Finds out by own computation which of two answers is wrong, and drops who gave it.
  private func settle(_ check: DuplicateChecks.Check) {
    let truth = try? judge.checksum(of: check.work, layer: check.layer)
    let pair = [check.first, check.second].map { links[$0.worker].label }.joined(separator: " and ")
    guard let truth else {
      return lose(
        check.first.worker, "\(pair) compute layer \(check.layer) differently, one of them wrongly",
        suspendedFor: Self.wrongAnswerPause)
    }
    for answer in [check.first, check.second] where answer.checksum != truth {
      lose(
        answer.worker, "it computes layer \(check.layer) wrongly (\(pair) were compared)",
        suspendedFor: Self.wrongAnswerPause)
    }
  }
}
