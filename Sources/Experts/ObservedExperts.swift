import Synchronization
public import Tensors

/// Passes everything on to another backend, and counts which experts are used and where time goes.
///
/// Used by one thread like every backend; `use` may be asked from any.
public final class ObservedExperts: ExpertBackend {
  /// The experts that the backend serves.
  public var geometry: ExpertGeometry { backend.geometry }
  /// What was counted; shared with whoever shows it.
  public let use: ExpertUse
  private let backend: any ExpertBackend

  private let clock = ContinuousClock()
  /// The end of the last call.
  private var calledAt: ContinuousClock.Instant?
  private var lastLayer = Int.max

  /// Observes `backend`.
  public init(_ backend: any ExpertBackend) {
    self.backend = backend
    use = ExpertUse(backend.geometry)
  }

  /// Counts the batch and passes it on.
  public func dispatch(
    _ batch: borrowing RoutedBatch, layer: LayerIndex
  ) throws -> DispatchTicket {
    let start = clock.now
    // From one layer's experts to the next one's, and from one part of a step to the other, is own
    // work; between steps the engine may idle.
    let isSameStep = layer.rawValue >= lastLayer && geometry.moeLayers.count > 1
    let between = isSameStep ? calledAt.map { start - $0 } : nil
    lastLayer = layer.rawValue
    let ticket = try backend.dispatch(batch, layer: layer)
    let end = clock.now
    calledAt = end
    use.count(batch, layer: layer, between: between ?? .zero, dispatch: end - start)
    return ticket
  }

  /// Passes the ticket on.
  public func combine(_ ticket: DispatchTicket, into sum: inout FloatMatrix) throws {
    let start = clock.now
    try backend.combine(ticket, into: &sum)
    let end = clock.now
    defer { calledAt = end }
    use.count(meanwhile: calledAt.map { start - $0 } ?? .zero, combine: end - start)
  }
}

/// How often each expert was used, and where the time of the steps went, since the start.
public final class ExpertUse: Sendable {
  /// The figures of one moment.
  public struct Snapshot: Sendable {
    /// How often each expert was used, by layer from the first one with experts.
    public fileprivate(set) var uses: [[Int]]  // (MoE layers, experts)
    /// Dispatches.
    public fileprivate(set) var calls = 0
    /// Rows in all dispatches.
    public fileprivate(set) var rows = 0
    /// From the last call to the next dispatch: attention, norms, router.
    public fileprivate(set) var between: Duration = .zero
    /// Inside dispatch.
    public fileprivate(set) var dispatch: Duration = .zero
    /// From the last call to combine: shared experts.
    public fileprivate(set) var meanwhile: Duration = .zero
    /// Inside combine: waiting and adding.
    public fileprivate(set) var combine: Duration = .zero
  }

  /// The first layer with experts.
  public let firstLayer: Int
  private let state: Mutex<Snapshot>

  init(_ geometry: ExpertGeometry) {
    firstLayer = geometry.moeLayers.lowerBound
    state = Mutex(
      Snapshot(
        uses: geometry.layers.map { _ in Array(repeating: 0, count: geometry.expertCount) }))
  }

  /// The figures of now.
  public var snapshot: Snapshot { state.withLock { $0 } }

  fileprivate func count(
    _ batch: borrowing RoutedBatch, layer: LayerIndex, between: Duration, dispatch: Duration
  ) {
    let rows = batch.rowCount
    let entries = batch.entries
    let row = layer.rawValue - firstLayer
    state.withLock { state in
      state.calls += 1
      state.rows += rows
      state.between += between
      state.dispatch += dispatch
      for index in entries.indices {
        let expert = Int(entries[index].expert)
        if expert < state.uses[row].count { state.uses[row][expert] += 1 }  // else the shared ones
      }
    }
  }

  fileprivate func count(meanwhile: Duration, combine: Duration) {
    state.withLock { state in
      state.meanwhile += meanwhile
      state.combine += combine
    }
  }
}
