public import Kernels
public import Tensors

/// Collects the partial sums of one dispatched batch and adds them up; used by one thread.
///
/// Replies may come in any order and more than once. They are added in ascending group order.
public final class PartialSums {
  private let geometry: ExpertGeometry
  private var layer: LayerIndex
  private var layout = PartialLayout()
  private var floats: EncodedReplies  // (grown on demand, hiddenSize)
  private var blocks: EncodedReplies  // (grown on demand, hiddenSize)
  private var shared: SharedSums

  /// Makes an empty collection for batches of `geometry`.
  public init(geometry: ExpertGeometry) {
    self.geometry = geometry
    layer = LayerIndex(geometry.moeLayers.lowerBound)
    floats = EncodedReplies(format: .float32, capacity: 0, columns: geometry.hiddenSize)
    blocks = EncodedReplies(format: .int16Blocks, capacity: 0, columns: geometry.hiddenSize)
    shared = SharedSums(columns: geometry.hiddenSize)
  }

  /// Whether every partial sum has come.
  public var isComplete: Bool { layout.missingCount == 0 && shared.missingCount == 0 }

  /// Starts over with the partial sums that `batch` needs.
  public func begin(_ batch: borrowing RoutedBatch) {
    layer = batch.layer
    layout.begin(batch)
    floats.removeAll()
    blocks.removeAll()
    shared.begin(rowCount: geometry.shared == nil ? 0 : batch.rowCount)
    reserve(layout.count)
  }

  /// Takes a worker's reply to `share`; a second reply to the same share changes nothing.
  ///
  /// - Throws: `ExpertError` of kind `reply` unless the bytes are one row per partial sum, those of
  ///   shared experts last and as floats.
  public func accept(_ reply: RawSpan, for share: BatchShare) throws(ExpertError) {
    let routedByteCount = share.partials.count * geometry.replyRowByteCount(layer)
    let expected = routedByteCount + share.sharedRows.count * geometry.sharedReplyRowByteCount
    guard reply.byteCount == expected else {
      throw ExpertError(
        .reply,
        "layer \(layer): a reply of \(reply.byteCount) bytes where \(expected) belong; "
          + "restart that worker with the same version")
    }
    if shared.isMissing(anyOf: share.sharedRows) {
      shared.accept(
        reply.extracting(routedByteCount..<reply.byteCount), for: share.sharedRows)
    }
    guard share.partials.contains(where: { layout.isMissing($0) }) else { return }
    let reply = reply.extracting(0..<routedByteCount)
    let first = isFloat ? floats.rowCount : blocks.rowCount
    reserve(first + share.partials.count)
    do {
      if isFloat {
        try floats.setWireBytes(reply, at: first)
      } else {
        try blocks.setWireBytes(reply, at: first)
      }
    } catch {
      throw ExpertError(.reply, "layer \(layer): \(error)")
    }
    for index in share.partials.indices {
      layout.place(share.partials[index], at: first + index)
    }
  }

  /// Computes all partial sums of `batch` here.
  func compute(
    _ batch: borrowing RoutedBatch, with workspace: inout ExpertWorkspace, bank: ExpertBank
  ) {
    if isFloat {
      workspace.compute(
        batch.entries, of: batch.activations, layer: layer, bank: bank, into: &floats)
    } else {
      workspace.compute(
        batch.entries, of: batch.activations, layer: layer, bank: bank, into: &blocks)
    }
    layout.placeAll()
    shared.accept(workspace.sharedReplies, for: workspace.sharedRows)
  }

  /// Sets the rows of the batch in `sum` to the sums of their groups, ascending, from zero; shared
  /// experts that workers compute come last.
  ///
  /// - Precondition: `isComplete`.
  public func add(into sum: inout FloatMatrix, with kernels: Kernels) {
    precondition(isComplete, "partial sums are missing")
    if isFloat {
      layout.add(floats, into: &sum, with: kernels)
    } else {
      layout.add(blocks, into: &sum, with: kernels)
    }
    if geometry.shared != nil { shared.add(to: &sum, with: kernels) }
  }

  private var isFloat: Bool { geometry.replyFormat(layer) == .float32 }

  /// Makes room for `count` replies; keeps those that have come.
  private func reserve(_ count: Int) {
    if isFloat {
      floats.grow(to: count)
    } else {
      blocks.grow(to: count)
    }
  }
}

extension EncodedReplies {
  /// Makes room for `count` rows, at least doubling.
  mutating func grow(to count: Int) {
    guard count > capacity else { return }
    var larger = EncodedReplies(
      format: format, capacity: max(count, 2 * capacity), columns: columns)
    // Never fails: these are whole rows, and there is room.
    if rowCount > 0 { try? larger.setWireBytes(wireBytes(0..<rowCount)) }
    self = larger
  }
}
