public import Tensors

/// A batch that is on its way to its experts.
public struct DispatchTicket: Sendable, Hashable {
  /// Counts the dispatches of one backend.
  public let id: UInt64
  /// The layer whose experts were asked.
  public let layer: LayerIndex
  /// Rows of the batch.
  public let rowCount: Int

  /// Names a dispatch; backends make these.
  public init(id: UInt64, layer: LayerIndex, rowCount: Int) {
    self.id = id
    self.layer = layer
    self.rowCount = rowCount
  }
}

/// Where a model's routed experts are: in this process, or on workers.
///
/// Used by one thread. At least two batches may be on their way at once; each ticket is combined
/// once, in the order of dispatch.
public protocol ExpertBackend: AnyObject {
  /// The experts that the backend serves.
  var geometry: ExpertGeometry { get }

  /// Sends `batch`, whose rows are encoded for `layer`, to the experts of `layer`.
  ///
  /// The batch may be changed as soon as this returns.
  func dispatch(
    _ batch: borrowing RoutedBatch, layer: LayerIndex
  ) throws -> DispatchTicket

  /// Sets rows 0 to `ticket.rowCount` of `sum` to Σ weight · expert(x), waiting if need be.
  ///
  /// Partial sums are added in ascending group order, from zero.
  func combine(_ ticket: DispatchTicket, into sum: inout FloatMatrix) throws
}

/// Experts that nobody can compute now; the same call may succeed later.
public struct ExpertsUnavailable: Error, Equatable, Sendable, CustomStringConvertible {
  /// What is missing and what to do, in one line.
  public let description: String

  /// Says what is missing.
  public init(_ description: String) { self.description = description }
}
