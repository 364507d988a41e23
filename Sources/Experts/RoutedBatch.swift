public import Kernels
public import Tensors

/// One use of an expert: `weight` times expert `expert` of row `row`.
public struct RoutedEntry: Sendable, Hashable {
  /// The row of the activations, 0-based.
  public var row: Int32
  /// The expert's index in its layer.
  public var expert: Int32
  /// What the expert's output is multiplied by.
  public var weight: Float

  /// Routes `row` to `expert`.
  public init(row: Int32, expert: Int32, weight: Float) {
    self.row = row
    self.expert = expert
    self.weight = weight
  }
}

/// The rows of a step, encoded for one layer's experts, and the experts of each row.
///
/// Made once for the largest step, then filled again for each layer: `encode`, then `setExperts`
/// for every row.
public struct RoutedBatch: ~Copyable {
  /// The experts that rows are routed to.
  public let geometry: ExpertGeometry
  /// Rows that fit.
  public let capacity: Int
  /// Rows of the current step.
  public private(set) var rowCount = 0
  /// The layer that the rows are encoded for.
  public private(set) var layer: LayerIndex
  /// The encoded rows, as they go to the experts of `layer`.
  public private(set) var activations: EncodedRows  // (capacity, hiddenSize)
  private var idle: EncodedRows  // the same in the other format, no columns if no layer takes it
  /// rowCount × entriesPerToken, sorted by (row, expert).
  private var storedEntries: [RoutedEntry]

  /// Makes room for `capacity` rows of any layer of `geometry`.
  public init(geometry: ExpertGeometry, capacity: Int) {
    self.geometry = geometry
    self.capacity = capacity
    layer = LayerIndex(geometry.moeLayers.lowerBound)
    let formats = Set(geometry.layers.map { geometry.inputFormat($0) })
    storedEntries = Array(
      repeating: RoutedEntry(row: 0, expert: 0, weight: 0),
      count: capacity * geometry.entriesPerToken)
    activations = EncodedRows(
      format: .float32, capacity: capacity,
      columns: formats.contains(.float32) ? geometry.hiddenSize : 0)
    idle = EncodedRows(
      format: .int8Blocks, capacity: capacity,
      columns: formats.contains(.int8Blocks) ? geometry.hiddenSize : 0)
  }
}

extension RoutedBatch {
  /// Experts of each row.
  public var expertsPerToken: Int { geometry.expertsPerToken }

  /// The experts and weights of all rows, sorted by (row, expert); shared experts come last in a row.
  public var entries: Span<RoutedEntry> {
    @_lifetime(borrow self)
    borrowing get { storedEntries.span.extracting(first: rowCount * geometry.entriesPerToken) }
  }

  /// Starts a batch: encodes `rows` of `normed` in the input format of `layer`.
  ///
  /// - Shapes: `normed`: at least `rows.upperBound` × hiddenSize; row `rows.lowerBound` becomes
  ///   row 0 of the batch.
  public mutating func encode(
    _ normed: borrowing FloatMatrix, rows: Range<Int>, layer: LayerIndex, with kernels: Kernels
  ) {
    precondition(rows.count <= capacity && geometry.shape.contains(layer))
    self.layer = layer
    rowCount = rows.count
    if activations.format != geometry.inputFormat(layer) { swap(&activations, &idle) }
    activations.encode(normed, rows: rows, with: kernels)
  }

  /// Routes `row` to `experts`, in any order, with as many weights.
  ///
  /// - Shapes: `experts`, `weights`: expertsPerToken; experts are distinct.
  public mutating func setExperts(
    row: Int, experts: Span<Int32>, weights: Span<Float>
  ) {
    let count = expertsPerToken
    precondition(row >= 0 && row < rowCount && experts.count == count && weights.count == count)
    let start = row * geometry.entriesPerToken
    if let shared = geometry.sharedExpert {
      storedEntries[start + count] = RoutedEntry(
        row: Int32(row), expert: Int32(shared.rawValue), weight: 1)
    }
    for rank in 0..<count {
      let entry = RoutedEntry(row: Int32(row), expert: experts[rank], weight: weights[rank])
      var place = start + rank
      while place > start, storedEntries[place - 1].expert > entry.expert {
        storedEntries[place] = storedEntries[place - 1]
        place -= 1
      }
      storedEntries[place] = entry
    }
  }
}
