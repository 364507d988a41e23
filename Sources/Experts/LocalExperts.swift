public import Kernels
public import Tensors

/// All experts in this process: the same encoding, partial sums and rounding as on workers.
public final class LocalExperts: ExpertBackend {
  /// The experts that the backend serves.
  public var geometry: ExpertGeometry { bank.geometry }
  private let bank: ExpertBank
  private let kernels: Kernels
  private var workspace: ExpertWorkspace
  /// Batches that were dispatched and not yet combined, and spare collections.
  private var pending: [(id: UInt64, sums: PartialSums)] = []
  private var spare: [PartialSums] = []
  private var lastID: UInt64 = 0

  /// Serves the experts of `bank`, which must hold every group.
  ///
  /// - Throws: `ExpertError` of kind `group` that names a missing one.
  public init(bank: ExpertBank, kernels: Kernels) throws(ExpertError) {
    for layer in bank.geometry.layers {
      for group in bank.geometry.groups where !bank.holds(layer, group) {
        throw ExpertError(.group, "layer \(layer), group \(group) is not loaded; load it first")
      }
    }
    self.bank = bank
    self.kernels = kernels
    workspace = ExpertWorkspace(geometry: bank.geometry, kernels: kernels)
  }

  /// Loads all experts of a model.
  ///
  /// - Parameters:
  ///   - catalog: Where they are.
  ///   - kernels: Who packs and computes.
  ///   - progress: Told the fraction that is loaded.
  /// - Throws: `ModelFileError` when the files cannot be read, `KernelError.outOfMemory`.
  public convenience init(
    loading catalog: ExpertCatalog, kernels: Kernels, progress: (Double) -> Void = { _ in }
  ) throws {
    let geometry = catalog.geometry
    let bank = ExpertBank(geometry: geometry)
    let total = Double(max(geometry.byteCount, 1))
    var loaded = 0
    for layer in geometry.layers {
      for group in geometry.groups {
        try bank.load(layer, group, from: catalog, kernels: kernels) { count in
          loaded += count
          progress(Double(loaded) / total)
        }
      }
    }
    try self.init(bank: bank, kernels: kernels)
  }

  /// Computes the partial sums at once.
  public func dispatch(_ batch: borrowing RoutedBatch, layer: LayerIndex) -> DispatchTicket {
    precondition(batch.layer == layer, "the batch is encoded for layer \(batch.layer)")
    let sums = spare.popLast() ?? PartialSums(geometry: geometry)
    sums.begin(batch)
    sums.compute(batch, with: &workspace, bank: bank)
    lastID += 1
    pending.append((lastID, sums))
    return DispatchTicket(id: lastID, layer: layer, rowCount: batch.rowCount)
  }

  /// Sets the rows of the batch in `sum` to the sums of their groups.
  ///
  /// - Throws: `ExpertError` of kind `batch` when the ticket is not pending.
  public func combine(_ ticket: DispatchTicket, into sum: inout FloatMatrix) throws(ExpertError) {
    guard let index = pending.firstIndex(where: { $0.id == ticket.id }) else {
      throw ExpertError(.batch, "dispatch \(ticket.id) was already combined; combine it once")
    }
    let sums = pending.remove(at: index).sums
    sums.add(into: &sum, with: kernels)
    spare.append(sums)
  }
}
