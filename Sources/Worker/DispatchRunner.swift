import Experts
import Kernels
import Messages
import Tensors
import Transport

/// Checks dispatches against the model and computes them; makes room once and uses it again.
struct DispatchRunner: ~Copyable {
  private let bank: ExpertBank
  private let answersZeros: Bool
  private var zeros: [UInt8] = []
  private var entries: [RoutedEntry] = []
  private var workspace: ExpertWorkspace
  private var floatRows: EncodedRows  // (grown on demand, hiddenSize)
  private var blockRows: EncodedRows
  private var floatReplies: EncodedReplies  // (grown on demand, hiddenSize)
  private var blockReplies: EncodedReplies

  init(bank: ExpertBank, kernels: Kernels, answersZeros: Bool) {
    self.bank = bank
    self.answersZeros = answersZeros
    workspace = ExpertWorkspace(geometry: bank.geometry, kernels: kernels)
    let width = bank.geometry.hiddenSize
    floatRows = EncodedRows(format: .float32, capacity: 0, columns: width)
    blockRows = EncodedRows(format: .int8Blocks, capacity: 0, columns: width / 32 * 32)
    floatReplies = EncodedReplies(format: .float32, capacity: 0, columns: width)
    blockReplies = EncodedReplies(format: .int16Blocks, capacity: 0, columns: width)
  }

  /// Checks the shapes and formats of a dispatch against the model, and its index against both.
  mutating func check(
    _ dispatch: DispatchHeader, _ inbox: borrowing Multipart
  ) throws -> LayerIndex {
    let geometry = bank.geometry
    let layer = LayerIndex(dispatch.call.layer)
    guard geometry.shape.contains(layer), dispatch.width == geometry.hiddenSize,
      dispatch.rowFormat == RowFormat(geometry.inputFormat(layer)),
      dispatch.replyFormat == RowFormat(geometry.replyFormat(layer))
    else { throw ExpertError(.batch, "the dispatch does not fit layer \(layer) of the model") }
    let rowByteCount = geometry.inputFormat(layer).byteCount(columns: geometry.hiddenSize)
    guard inbox.frame(2).byteCount == dispatch.rowCount * rowByteCount else {
      throw ExpertError(.batch, "the payload is not \(dispatch.rowCount) rows")
    }
    try Self.read(inbox, dispatch, layer, bank, into: &entries)
    return layer
  }

  private static func read(
    _ inbox: borrowing Multipart, _ dispatch: DispatchHeader, _ layer: LayerIndex,
    _ bank: ExpertBank, into entries: inout [RoutedEntry]
  ) throws {
    let geometry = bank.geometry
    try DispatchIndex.read(
      inbox.frame(1), header: dispatch, shape: geometry.shape,
      hasShared: geometry.shared != nil, into: &entries)
    try geometry.validate(
      entries.span, rowCount: dispatch.rowCount, layer: layer, in: bank)
  }

  /// Computes the partial sums into the payload frame of `outbox`; returns how many.
  mutating func compute(
    _ dispatch: DispatchHeader, _ layer: LayerIndex, _ inbox: borrowing Multipart,
    into outbox: inout Multipart
  ) throws -> Int {
    let geometry = bank.geometry
    if answersZeros {
      let count = geometry.partialCount(entries.span)
      let sharedCount = entries.count { $0.expert >= geometry.expertCount }
      let byteCount =
        (count - sharedCount) * geometry.replyRowByteCount(layer)
        + sharedCount * geometry.sharedReplyRowByteCount
      if zeros.count < byteCount { zeros = [UInt8](repeating: 0, count: byteCount) }
      unsafe try outbox.append(zeros.span.bytes.extracting(first: byteCount))
      return count
    }
    let run = Run(bank: bank, layer: layer, rowCount: dispatch.rowCount)
    switch (geometry.inputFormat(layer), geometry.replyFormat(layer)) {
    case (.float32, .float32):
      return try run(inbox, entries, &floatRows, &workspace, &floatReplies, &outbox)
    case (.float32, .int16Blocks):
      return try run(inbox, entries, &floatRows, &workspace, &blockReplies, &outbox)
    case (.int8Blocks, .float32):
      return try run(inbox, entries, &blockRows, &workspace, &floatReplies, &outbox)
    case (.int8Blocks, .int16Blocks):
      return try run(inbox, entries, &blockRows, &workspace, &blockReplies, &outbox)
    }
  }
}

/// One computation, with what it reads and writes passed in.
private struct Run {
  let bank: ExpertBank
  let layer: LayerIndex
  let rowCount: Int

  func callAsFunction(
    _ inbox: borrowing Multipart, _ entries: [RoutedEntry], _ rows: inout EncodedRows,
    _ workspace: inout ExpertWorkspace, _ replies: inout EncodedReplies,
    _ outbox: inout Multipart
  ) throws -> Int {
    let partialCount = bank.geometry.partialCount(entries.span)
    try rows.fill(inbox.frame(2), rows: rowCount)
    replies.grow(to: partialCount)
    workspace.compute(entries.span, of: rows, layer: layer, bank: bank, into: &replies)
    try append(replies, workspace, to: &outbox)
    return partialCount
  }
}

extension Run {
  /// Writes the payload: the sums of routed groups, then those of shared experts.
  private func append(
    _ replies: borrowing EncodedReplies, _ workspace: borrowing ExpertWorkspace,
    to outbox: inout Multipart
  ) throws {
    let routed = replies.wireBytes(0..<replies.rowCount)
    let shared = workspace.sharedReplies
    guard shared.byteCount > 0 else { return try outbox.append(routed) }
    try outbox.append(byteCount: routed.byteCount + shared.byteCount)
    var payload = outbox.mutableFrame(outbox.frameCount - 1)
    payload.copy(routed)
    payload.copy(shared, at: routed.byteCount)
  }
}

extension EncodedRows {
  /// Replaces the rows by bytes off the wire, making room first.
  fileprivate mutating func fill(_ wire: RawSpan, rows: Int) throws(KernelError) {
    if rows > capacity {
      self = EncodedRows(format: format, capacity: max(rows, 2 * capacity), columns: columns)
    }
    try setWireBytes(wire)
  }
}

extension EncodedReplies {
  /// Makes room for `count` rows; keeps none.
  fileprivate mutating func grow(to count: Int) {
    removeAll()
    if count > capacity {
      self = EncodedReplies(format: format, capacity: max(count, 2 * capacity), columns: columns)
    }
  }
}
