internal import Kernels
internal import Tensors

/// Some entries of a batch, arranged two ways: by expert for the products, by row for the sums.
struct ExpertTile {
  /// The entries of one expert: positions in the order by expert.
  struct Run {
    let expert: ExpertID
    let range: Range<Int>
  }

  /// Each expert that is used, ascending.
  private(set) var runs: [Run] = []
  /// By position: the activation row.
  private(set) var rows: [Int32] = []
  /// By entry: its position.
  private(set) var positions: [Int32] = []
  /// By entry: its weight.
  private(set) var weights: [Float] = []
  /// Partial sum i is over entries offsets[i] to offsets[i + 1].
  private(set) var offsets: [Int32] = []

  private let geometry: ExpertGeometry
  private var next: [Int]  // by expert: where its next entry goes

  init(_ geometry: ExpertGeometry) {
    self.geometry = geometry
    next = Array(repeating: 0, count: geometry.expertCount)
  }

  /// Entries.
  var count: Int { positions.count }
  /// Distinct (row, group) pairs.
  var partialCount: Int { offsets.count - 1 }

  /// Where a tile from `start` on ends: at a row's end, after at most `limit` entries.
  ///
  /// A row has at most `limit` entries.
  static func end(of entries: Span<RoutedEntry>, from start: Int, limit: Int) -> Int {
    guard entries.count - start > limit else { return entries.count }
    var end = start + limit
    while end > start, entries[end].row == entries[end - 1].row { end -= 1 }
    return end > start ? end : start + limit
  }

  /// Arranges `entries`, sorted by (row, expert).
  mutating func arrange(_ entries: Span<RoutedEntry>) {
    countExperts(entries)
    positions.removeAll(keepingCapacity: true)
    weights.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
    rows.removeAll(keepingCapacity: true)
    for _ in entries.indices { rows.append(0) }
    var last = PartialKey(row: -1, group: -1)
    for index in entries.indices {
      let entry = entries[index]
      let position = next[Int(entry.expert)]
      next[Int(entry.expert)] += 1
      rows[position] = entry.row
      positions.append(Int32(position))
      weights.append(entry.weight)
      let key = geometry.partialKey(entry)
      if key != last { offsets.append(Int32(index)) }
      last = key
    }
    offsets.append(Int32(entries.count))
  }

  /// Finds the run of each expert, and where it starts.
  private mutating func countExperts(_ entries: Span<RoutedEntry>) {
    for expert in next.indices { next[expert] = 0 }
    for index in entries.indices { next[Int(entries[index].expert)] += 1 }
    runs.removeAll(keepingCapacity: true)
    var start = 0
    for expert in next.indices where next[expert] > 0 {
      let end = start + next[expert]
      runs.append(Run(expert: ExpertID(expert), range: start..<end))
      next[expert] = start
      start = end
    }
  }
}

extension ExpertTile {
  /// Plans gate or up projections: row `position` of `out` for every position.
  func append(
    _ projection: ExpertProjection, of layer: LayerIndex, in bank: ExpertBank,
    times x: borrowing EncodedRows, to plan: inout MatmulPlan, into out: inout FloatMatrix
  ) {
    for run in runs {
      plan.append(
        bank.expert(layer, run.expert)[projection], x, rows: rows.span.extracting(run.range),
        into: &out, outputRow: run.range.lowerBound)
    }
  }

  /// Plans down projections of inner rows, which stand by position, as do their outputs.
  func appendDown(
    of layer: LayerIndex, in bank: ExpertBank, times x: borrowing EncodedRows,
    to plan: inout MatmulPlan, into out: inout FloatMatrix
  ) {
    for run in runs {
      plan.append(
        bank.expert(layer, run.expert).down, x, rows: run.range, into: &out,
        outputRow: run.range.lowerBound)
    }
  }

  /// Sets row i of `sums` to partial sum i: weighted outputs in ascending expert order.
  func sum(
    _ outputs: borrowing FloatMatrix, into sums: inout FloatMatrix, with kernels: Kernels
  ) {
    kernels.weightedSums(
      of: outputs, entries: positions.span, weights: weights.span, offsets: offsets.span,
      into: &sums)
  }
}
