import Experts
import Kernels
import Tensors

/// Workers in memory: what crosses the wire is bytes and entries, as between processes.
final class FakeCluster: ExpertBackend {
  let geometry: ExpertGeometry
  private let workers: [FakeWorker]
  private let assignment: [Int]
  private let kernels: Kernels
  private var split: BatchSplit
  private var pending: [UInt64: PartialSums] = [:]
  private var lastID: UInt64 = 0
  /// In which order replies arrive.
  var isReversed = false
  var repeatsReplies = false

  init(_ catalog: ExpertCatalog, assignment: [Int], kernels: Kernels) throws {
    geometry = catalog.geometry
    self.assignment = assignment
    self.kernels = kernels
    let count = (assignment.max() ?? 0) + 1
    workers = try (0..<count).map { worker in
      let groups = catalog.geometry.groups.filter { assignment[$0.rawValue] == worker }
      return try FakeWorker(catalog, groups: groups, kernels: kernels)
    }
    split = BatchSplit(geometry: catalog.geometry, capacity: 64)
  }

  func dispatch(_ batch: borrowing RoutedBatch, layer: LayerIndex) throws -> DispatchTicket {
    split.split(batch, assignment: assignment, shareCount: workers.count)
    let sums = PartialSums(geometry: geometry)
    sums.begin(batch)
    var order = Array(zip(workers, split.shares)).filter { !$0.1.isEmpty }
    if isReversed { order.reverse() }
    for (worker, share) in order {
      let rows = share.rows.flatMap { row in
        batch.activations.wireBytes(Int(row)..<Int(row) + 1).array
      }
      let reply = try worker.answer(rows, rowCount: share.rows.count, share.entries, layer)
      for _ in 0..<(repeatsReplies ? 2 : 1) {
        unsafe try sums.accept(reply.span.bytes, for: share)
      }
    }
    lastID += 1
    pending[lastID] = sums
    return DispatchTicket(id: lastID, layer: layer, rowCount: batch.rowCount)
  }

  func combine(_ ticket: DispatchTicket, into sum: inout FloatMatrix) throws {
    pending.removeValue(forKey: ticket.id)?.add(into: &sum, with: kernels)
  }
}

/// One worker: holds some groups of every layer.
final class FakeWorker {
  let bank: ExpertBank
  private let kernels: Kernels
  private var workspace: ExpertWorkspace

  init(_ catalog: ExpertCatalog, groups: [GroupIndex], kernels: Kernels) throws {
    bank = ExpertBank(geometry: catalog.geometry)
    for layer in catalog.geometry.layers {
      for group in groups { try bank.load(layer, group, from: catalog, kernels: kernels) }
    }
    self.kernels = kernels
    workspace = ExpertWorkspace(geometry: catalog.geometry, kernels: kernels)
  }

  func answer(
    _ rows: [UInt8], rowCount: Int, _ entries: [RoutedEntry], _ layer: LayerIndex
  ) throws -> [UInt8] {
    let geometry = bank.geometry
    var activations = EncodedRows(
      format: geometry.inputFormat(layer), capacity: rowCount, columns: geometry.hiddenSize)
    unsafe try activations.setWireBytes(rows.span.bytes)
    try geometry.validate(entries.span, rowCount: rowCount, layer: layer, in: bank)
    let count = geometry.partialCount(entries.span)
    var replies = EncodedReplies(
      format: geometry.replyFormat(layer), capacity: count, columns: geometry.hiddenSize)
    workspace.compute(entries.span, of: activations, layer: layer, bank: bank, into: &replies)
    return replies.wireBytes(0..<count).array
  }
}
