import Experts
import Kernels
import Messages
import Tensors
import Transport

/// Everything that one call on its way needs, made once and used again.
final class CallSlot {
  let geometry: ExpertGeometry
  var tracker: CallTracker
  private(set) var split: BatchSplit
  var outbox = Multipart()
  /// What the last worker that could not compute said.
  var failure: ClusterError?
  /// Since when nobody else can be asked instead.
  var failedSince: Duration?
  /// When to ask those again.
  var nextTry = Duration.zero
  private let sums: PartialSums
  // What was dispatched, so that it can be sent again when the batch has changed.
  private var rows = ByteBuffer(byteCount: 0)
  private var rowByteCount = 0
  private var entries: [RoutedEntry] = []

  init(geometry: ExpertGeometry, maxRows: Int) {
    self.geometry = geometry
    tracker = CallTracker(width: geometry.hiddenSize, groupCount: geometry.placedGroupCount)
    split = BatchSplit(geometry: geometry, capacity: maxRows)
    sums = PartialSums(geometry: geometry)
  }

  /// Starts a call: keeps the batch and cuts it into one share per link, by its index.
  func begin(_ call: Call, _ batch: borrowing RoutedBatch, assignment: [Int], links: Int) {
    failure = nil
    failedSince = nil
    sums.begin(batch)
    keep(batch)
    split.split(batch, assignment: assignment, shareCount: links)
    var groups = GroupSet()
    for index in entries.indices {
      groups.insert(geometry.group(of: ExpertID(Int(entries[index].expert))))
    }
    let format = geometry.replyFormat(LayerIndex(call.layer))
    tracker.begin(call, replyFormat: RowFormat(format), groups: groups)
  }

  private func keep(_ batch: borrowing RoutedBatch) {
    let wire = batch.activations.wireBytes(0..<batch.rowCount)
    if wire.byteCount > rows.byteCount {
      rows = ByteBuffer(byteCount: max(wire.byteCount, 2 * rows.byteCount))
    }
    rows.copy(wire, at: 0)
    rowByteCount = batch.activations.rowByteCount
    entries.removeAll(keepingCapacity: true)
    let all = batch.entries
    for index in all.indices { entries.append(all[index]) }
  }

  /// Makes one more share, of what `groups` have to do, and returns its index.
  func addShare(of groups: GroupSet) -> Int {
    let entries = entries
    return split.addShare(entries.span, of: groups)
  }

  /// What decides the answer to a share.
  func work(of share: Int) -> ShareWork {
    let share = split.shares[share]
    var bytes: [UInt8] = []
    for row in share.rows {
      let start = Int(row) * rowByteCount
      for offset in start..<start + rowByteCount {
        bytes.append(unsafe rows.bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
      }
    }
    return ShareWork(rows: bytes, rowCount: share.rows.count, entries: share.entries)
  }

  /// Writes the index and payload frames of a share.
  func writeFrames(_ share: Int) throws(TransportError) {
    let share = split.shares[share]
    outbox.removeAll()
    try outbox.append(byteCount: DispatchIndex.byteCount(entryCount: share.entries.count))
    try outbox.append(byteCount: share.rows.count * rowByteCount)
    var index = outbox.mutableFrame(0)
    DispatchIndex.write(share.entries.span, into: &index)
    var payload = outbox.mutableFrame(1)
    for (position, row) in share.rows.enumerated() {
      let start = Int(row) * rowByteCount
      payload.copy(
        rows.bytes.extracting(start..<start + rowByteCount), at: position * rowByteCount)
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
    guard case .accept(let index) = verdict else { return verdict }
    let share = split.shares[tracker.sendings[index].share]
    guard isFinite(payload, layer, share) else { return .garbage("numbers that are not finite") }
    do throws(ExpertError) {
      try sums.accept(payload, for: share)
      tracker.complete(index)
      return verdict
    } catch {
      return .garbage("partial sums that do not fit (\(error))")
    }
  }

  /// Whether all numbers are: those of routed groups, and those of shared experts after them.
  private func isFinite(_ payload: RawSpan, _ layer: LayerIndex, _ share: BatchShare) -> Bool {
    let routed = share.partials.count * geometry.replyRowByteCount(layer)
    return PartialRows.areFinite(
      payload.extracting(0..<routed), format: geometry.replyFormat(layer),
      width: geometry.hiddenSize, rows: share.partials.count)
      && PartialRows.areFinite(
        payload.extracting(routed..<payload.byteCount), format: .float32,
        width: geometry.hiddenSize, rows: share.sharedRows.count)
  }

  /// Sets the rows of the batch in `sum` to the sums of all replies, groups ascending.
  func add(into sum: inout FloatMatrix, with kernels: Kernels) {
    sums.add(into: &sum, with: kernels)
  }
}
