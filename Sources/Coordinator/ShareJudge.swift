import Experts
import Kernels
import Messages
import Tensors

/// Computes a share here, from the model's own file, when two workers disagree over it.
struct ShareJudge {
  let geometry: ExpertGeometry
  let source: any ExpertSource
  let kernels: Kernels

  /// The checksum of the right answer.
  ///
  /// - Throws: When the experts cannot be read.
  func checksum(of work: ShareWork, layer: LayerIndex) throws -> UInt64 {
    let bank = ExpertBank(geometry: geometry)
    let groups = Set(work.entries.map { geometry.group(of: ExpertID(Int($0.expert))) })
    for group in groups.sorted() { try load(layer, group, into: bank, from: source) }
    var rows = EncodedRows(
      format: geometry.inputFormat(layer), capacity: work.rowCount, columns: geometry.hiddenSize)
    unsafe try rows.setWireBytes(work.rows.span.bytes)
    let count = geometry.partialCount(work.entries.span)
    var replies = EncodedReplies(
      format: geometry.replyFormat(layer), capacity: count, columns: geometry.hiddenSize)
    var workspace = ExpertWorkspace(geometry: geometry, kernels: kernels)
    workspace.compute(work.entries.span, of: rows, layer: layer, bank: bank, into: &replies)
    let routed = replies.wireBytes(0..<replies.rowCount)
    let shared = workspace.sharedReplies
    var payload = ByteBuffer(byteCount: max(routed.byteCount + shared.byteCount, 1))
    payload.copy(routed, at: 0)
    payload.copy(shared, at: routed.byteCount)
    return PayloadChecksum.of(
      index: RawSpan(),
      payload: payload.bytes.extracting(first: routed.byteCount + shared.byteCount))
  }

  private func load(
    _ layer: LayerIndex, _ group: GroupIndex, into bank: ExpertBank, from source: some ExpertSource
  ) throws {
    try bank.load(layer, group, from: source, kernels: kernels)
  }
}
