public import Kernels
internal import Tensors

/// Computes partial sums: the room that this needs, grown to the largest batch so far.
///
/// Entries are taken in tiles of bounded size. Within a tile the rows of each expert are
/// multiplied together, so that its matrices are read once.
public struct ExpertWorkspace: ~Copyable {
  private let geometry: ExpertGeometry
  private let kernels: Kernels
  private let maxTileCount: Int  // entries
  private var capacity = 0  // entries

  private var gate: FloatMatrix  // (capacity, expertIntermediateSize)
  private var up: FloatMatrix  // (capacity, expertIntermediateSize)
  private var innerFloats: EncodedRows  // (capacity, expertIntermediateSize), or empty
  private var innerBlocks: EncodedRows  // (capacity, expertIntermediateSize), or empty
  private var down: FloatMatrix  // (capacity, hiddenSize)
  private var sums: FloatMatrix  // (capacity, hiddenSize)
  private var mixed: MixedInput
  /// The shared experts' part of the last call.
  private var shared: SharedWorkspace
  private var routed: [RoutedEntry] = []  // those of the last call that are not shared experts'
  private var tile: ExpertTile
  private var plan = MatmulPlan()

  /// Bytes of intermediate results that a tile may take.
  private static let tileByteCount = 192 << 20

  /// Makes a workspace for the layers of `geometry`.
  public init(geometry: ExpertGeometry, kernels: Kernels) {
    self.init(geometry: geometry, kernels: kernels, tileByteCount: Self.tileByteCount)
  }

  package init(geometry: ExpertGeometry, kernels: Kernels, tileByteCount: Int) {
    self.geometry = geometry
    self.kernels = kernels
    let rowByteCount = 4 * (3 * geometry.expertIntermediateSize + 2 * geometry.hiddenSize)
    maxTileCount = max(tileByteCount / rowByteCount, geometry.expertsPerToken)
    gate = FloatMatrix(rows: 0, columns: 0)
    up = FloatMatrix(rows: 0, columns: 0)
    innerFloats = EncodedRows(format: .float32, capacity: 0, columns: 0)
    innerBlocks = EncodedRows(format: .int8Blocks, capacity: 0, columns: 0)
    down = FloatMatrix(rows: 0, columns: 0)
    sums = FloatMatrix(rows: 0, columns: 0)
    mixed = MixedInput(hiddenSize: geometry.hiddenSize)
    tile = ExpertTile(geometry)
    shared = SharedWorkspace(geometry: geometry, kernels: kernels)
  }
}

extension ExpertWorkspace {
  /// Sets `replies` to the partial sums of `entries`, ascending by (row, group), and `sharedReplies` to
  /// those of shared experts, ascending by row.
  ///
  /// A partial sum is Σ fma(weight, down(silu(gate x) · up x)) in ascending expert order, from
  /// zero, then rounded to the reply format. It depends on nothing but its row.
  ///
  /// - Parameters:
  ///   - entries: Valid entries (`ExpertGeometry.validate`), sorted by (row, expert).
  ///   - activations: The rows, in the input format of `layer`.
  ///   - layer: The layer.
  ///   - bank: Holds the experts of all entries.
  ///   - replies: In the reply format of `layer`, with room for the sums of all routed groups.
  public mutating func compute(
    _ entries: Span<RoutedEntry>, of activations: borrowing EncodedRows, layer: LayerIndex,
    bank: ExpertBank, into replies: inout EncodedReplies
  ) {
    precondition(replies.format == geometry.replyFormat(layer))
    precondition(activations.format == geometry.inputFormat(layer))
    replies.removeAll()
    if geometry.needsBlocks(layer) { mixed.encode(activations, with: kernels) }
    guard geometry.shared != nil else {
      return computeRouted(entries, activations, layer, bank, into: &replies)
    }
    divide(entries)
    let routed = routed
    computeRouted(routed.span, activations, layer, bank, into: &replies)
    shared.compute(activations, blocks: mixed.blocks, layer: layer, bank: bank)
  }

  /// The shared experts' sums of the last call, as they go on the wire; empty when it asked for none.
  public var sharedReplies: RawSpan {
    @_lifetime(borrow self)
    borrowing get { shared.replies.wireBytes(0..<shared.rows.count) }
  }

  /// The rows that `sharedReplies` are of, in their order.
  public var sharedRows: [Int32] { shared.rows }

  /// Tells entries of shared experts from the others.
  private mutating func divide(_ entries: Span<RoutedEntry>) {
    routed.removeAll(keepingCapacity: true)
    shared.removeAll()
    for index in entries.indices {
      if entries[index].expert < geometry.expertCount {
        routed.append(entries[index])
      } else {
        shared.append(entries[index].row)
      }
    }
  }

  private mutating func computeRouted(
    _ entries: Span<RoutedEntry>, _ activations: borrowing EncodedRows, _ layer: LayerIndex,
    _ bank: ExpertBank, into replies: inout EncodedReplies
  ) {
    var start = 0
    while start < entries.count {
      let end = ExpertTile.end(of: entries, from: start, limit: maxTileCount)
      tile.arrange(entries.extracting(start..<end))
      reserve(tile.count)
      computeInner(activations, layer, bank)
      computeDown(layer, bank)
      tile.sum(down, into: &sums, with: kernels)
      replies.encode(sums, rows: 0..<tile.partialCount, at: replies.rowCount, with: kernels)
      start = end
    }
  }

  /// gate x and up x for all entries of the tile.
  private mutating func computeInner(
    _ activations: borrowing EncodedRows, _ layer: LayerIndex, _ bank: ExpertBank
  ) {
    plan.removeAll()
    let formats = geometry.formats(layer)
    if formats.gate.activationFormat == activations.format {
      tile.append(.gate, of: layer, in: bank, times: activations, to: &plan, into: &gate)
    } else {
      tile.append(.gate, of: layer, in: bank, times: mixed.blocks, to: &plan, into: &gate)
    }
    if formats.up.activationFormat == activations.format {
      tile.append(.up, of: layer, in: bank, times: activations, to: &plan, into: &up)
    } else {
      tile.append(.up, of: layer, in: bank, times: mixed.blocks, to: &plan, into: &up)
    }
    kernels.run(&plan)
  }

  /// down(silu(gate x) · up x) for all entries of the tile.
  private mutating func computeDown(_ layer: LayerIndex, _ bank: ExpertBank) {
    plan.removeAll()
    if geometry.formats(layer).down.activationFormat == .float32 {
      innerFloats.encodeSiluProduct(&gate, up, rows: 0..<tile.count, with: kernels)
      tile.appendDown(of: layer, in: bank, times: innerFloats, to: &plan, into: &down)
    } else {
      innerBlocks.encodeSiluProduct(&gate, up, rows: 0..<tile.count, with: kernels)
      tile.appendDown(of: layer, in: bank, times: innerBlocks, to: &plan, into: &down)
    }
    kernels.run(&plan)
  }

  /// Makes room for `count` entries, at least doubling.
  private mutating func reserve(_ count: Int) {
    guard count > capacity else { return }
    capacity = max(count, min(2 * capacity, maxTileCount))
    let (hiddenSize, innerSize) = (geometry.hiddenSize, geometry.expertIntermediateSize)
    gate = FloatMatrix(rows: capacity, columns: innerSize)
    up = FloatMatrix(rows: capacity, columns: innerSize)
    down = FloatMatrix(rows: capacity, columns: hiddenSize)
    sums = FloatMatrix(rows: capacity, columns: hiddenSize)
    let formats = Set(geometry.layerFormats.map(\.down.activationFormat))
    if formats.contains(.float32) {
      innerFloats = EncodedRows(format: .float32, capacity: capacity, columns: innerSize)
    }
    if formats.contains(.int8Blocks) {
      innerBlocks = EncodedRows(format: .int8Blocks, capacity: capacity, columns: innerSize)
    }
  }
}
