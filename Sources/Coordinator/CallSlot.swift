import Experts
import Kernels
import Messages
import Tensors
import Transport

/// Everything that one call on its way needs, made once and used again.
final class CallSlot {
  let geometry: ExpertGeometry
  var tracker: CallTracker
  var split: BatchSplit
  var outbox = Multipart()
  /// What a worker said that it could not do.
  var failure: ClusterError?
  private let sums: PartialSums

  init(geometry: ExpertGeometry, maxRows: Int) {
    self.geometry = geometry
    tracker = CallTracker(width: geometry.hiddenSize)
    split = BatchSplit(geometry: geometry, capacity: maxRows)
    sums = PartialSums(geometry: geometry)
  }

  /// Starts a call: cuts the batch into one share per link.
  func begin(
    _ call: Call, _ batch: borrowing RoutedBatch, assignment: [Int], links: Int,
    deadline: Duration
  ) {
    let format = geometry.replyFormat(LayerIndex(call.layer))
    tracker.begin(call, replyFormat: RowFormat(format), deadline: deadline)
    failure = nil
    sums.begin(batch)
    split.split(batch, assignment: assignment, shareCount: links)
  }

  /// Writes the index and payload frames of a worker's share.
  func writeFrames(_ batch: borrowing RoutedBatch, for worker: Int) throws(TransportError) {
    let share = split.shares[worker]
    outbox.removeAll()
    try outbox.append(byteCount: DispatchIndex.byteCount(entryCount: share.entries.count))
    try outbox.append(byteCount: share.rows.count * batch.activations.rowByteCount)
    Self.write(batch, share, into: &outbox)
  }

  private static func write(
    _ batch: borrowing RoutedBatch, _ share: BatchShare, into message: inout Multipart
  ) {
    var index = message.mutableFrame(0)
    DispatchIndex.write(share.entries.span, into: &index)
    let rowByteCount = batch.activations.rowByteCount
    var payload = message.mutableFrame(1)
    for (position, row) in share.rows.enumerated() {
      let bytes = batch.activations.wireBytes(Int(row)..<Int(row) + 1)
      payload.copy(bytes, at: position * rowByteCount)
    }
  }

  /// Judges a reply, and takes its partial sums when it is the answer.
  func take(
    _ reply: ReplyHeader, _ payload: RawSpan, from worker: Int
  ) -> CallTracker.Verdict {
    let layer = LayerIndex(reply.call.layer)
    let verdict = tracker.judge(
      reply, from: worker, byteCount: payload.byteCount,
      rowByteCount: geometry.replyRowByteCount(layer))
    guard verdict == .accept else { return verdict }
    let isFinite = PartialRows.areFinite(
      payload, format: geometry.replyFormat(layer), width: geometry.hiddenSize,
      rows: reply.partialCount)
    guard isFinite else { return .garbage("numbers that are not finite") }
    do throws(ExpertError) {
      try sums.accept(payload, for: split.shares[worker])
      tracker.complete(worker)
      return .accept
    } catch {
      return .garbage("partial sums that do not fit (\(error))")
    }
  }

  /// Sets the rows of the batch in `sum` to the sums of all replies, groups ascending.
  func add(into sum: inout FloatMatrix, with kernels: Kernels) {
    sums.add(into: &sum, with: kernels)
  }
}
