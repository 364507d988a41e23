internal import CKernels
public import Tensors

/// How query heads, keys and values lie in their rows.
///
/// Latent attention: one key head that all query heads share, whose first `valueWidth` elements are
/// the value. Grouped-query attention: heads / keyHeads query heads share a key head, and values
/// stand behind the keys.
public struct AttentionShape: Sendable, Equatable {
  /// Query heads.
  public var heads: Int
  /// Key and value heads; divides `heads`.
  public var keyHeads: Int
  /// Elements of a key and of a query head.
  public var keyWidth: Int
  /// Elements of a value and of an output head.
  public var valueWidth: Int
  /// What scores are multiplied by.
  public var scale: Float
  /// How keys and values are stored.
  public var format: KVFormat
  /// Where the values of a position start; 0 when they are the start of its key.
  public var valueColumn: Int
  /// Floats from one output head to the next.
  public var outputHeadStride: Int

  /// Values that are the start of their keys, or else stand behind them; outputs without gaps.
  public init(
    heads: Int, keyHeads: Int = 1, keyWidth: Int, valueWidth: Int, scale: Float,
    format: KVFormat = .float32, valuesAreKeys: Bool = false
  ) {
    precondition(heads > 0 && keyHeads > 0 && heads % keyHeads == 0)
    precondition(keyWidth > 0 && valueWidth > 0)
    precondition(!valuesAreKeys || keyHeads == 1 && valueWidth <= keyWidth)
    self.heads = heads
    self.keyHeads = keyHeads
    self.keyWidth = keyWidth
    self.valueWidth = valueWidth
    self.scale = scale
    self.format = format
    valueColumn = valuesAreKeys ? 0 : keyHeads * format.padded(keyWidth)
    outputHeadStride = valueWidth
  }

  /// Floats from one query head to the next, zeros between.
  public var queryHeadStride: Int { format.padded(keyWidth) }
  /// Elements from one key head of a position to the next.
  public var keyHeadStride: Int { format.padded(keyWidth) }
  /// Elements from one value head of a position to the next.
  public var valueHeadStride: Int { format.padded(valueWidth) }
  /// Elements of a position.
  public var columns: Int {
    valueColumn == 0 ? keyHeadStride : valueColumn + keyHeads * valueHeadStride
  }
}

/// Query rows that attend together, each to its own sequence's pages.
///
/// Keeps addresses, not matrices: page tables, queries and output must stay where they are until
/// the plan has run.
@safe
public struct AttentionPlan: ~Copyable {
  /// The layout of all rows.
  public let shape: AttentionShape

  private var rows: [ck_attention_row] = unsafe []
  private var groups: [ck_attention_group] = []
  private var places: [(query: Int, output: Int)] = []
  private var pageByteCount = 0
  private var workspace = AttentionWorkspace()

  private static let mostLines = Int(CK_MAX_UNIT_LINES)

  /// Makes an empty plan.
  public init(shape: AttentionShape) { self.shape = shape }

  /// Forgets all rows and keeps the storage.
  public mutating func removeAll() {
    unsafe rows.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
  }

  /// Adds a query row that attends to positions 0 ..< `length` of a sequence.
  ///
  /// - `queryRow`: its row in the queries, heads × `queryHeadStride`.
  /// - `outputRow`: its row in the output; `queryRow` by default.
  public mutating func append(
    queryRow: Int, keys place: KVPlace, length: Int, outputRow: Int? = nil
  ) {
    precondition(place.tile == KVTile(format: shape.format, columns: shape.columns))
    precondition(
      length > 0 && (length - 1) / KVTile.positions < place.table.count, "no such positions")
    precondition(
      places.isEmpty || place.memory.pageByteCount == pageByteCount,
      "rows of one plan have pages of one size")
    pageByteCount = place.memory.pageByteCount
    let bytes = unsafe place.memory.base + place.byteOffset
    var row = unsafe ck_attention_row()
    unsafe row.pages = UnsafePointer(bytes.assumingMemoryBound(to: UInt8.self))
    unsafe row.table = UnsafePointer(place.table.base)
    unsafe row.length = length
    unsafe rows.append(row)
    places.append((queryRow, outputRow ?? queryRow))
  }

  mutating func run(
    _ queries: borrowing FloatMatrix, into out: inout FloatMatrix, with kernels: Kernels
  ) {
    if places.isEmpty { return }
    var job = unsafe makeJob(kernels)
    place(queries, &out)
    let units = unsafe cut(&job, threads: kernels.team.threadCount)
    let products = unsafe rows.reduce(0) { unsafe $0 + $1.length } * shape.heads * shape.keyWidth
    let wakes = products > 1 << 20
    unsafe workspace.prepare(&job, rows: places.count)
    unsafe rows.withUnsafeBufferPointer { rows in
      unsafe job.rows = rows.baseAddress
      unsafe groups.withUnsafeBufferPointer { groups in
        unsafe job.groups = groups.baseAddress
        unsafe Self.run(&job, units: units, wakes: wakes, team: kernels.team)
      }
    }
  }

  private static func run(
    _ job: inout ck_attention_job, units: Int, wakes: Bool, team: ThreadTeam
  ) {
    unsafe withUnsafeMutablePointer(to: &job) { job in
      if unsafe job.pointee.layout.format == KVFormat.int8.code {
        unsafe team.run(chunks: job.pointee.row_count, context: job, wakes: wakes) { job, row in
          unsafe ck_encode_queries(job.assumingMemoryBound(to: ck_attention_job.self), row)
        }
      }
      unsafe team.run(chunks: units, context: job, wakes: wakes) { job, unit in
        unsafe ck_attend_unit(job.assumingMemoryBound(to: ck_attention_job.self), unit)
      }
      guard unsafe job.pointee.by_split else { return }
      let heads = unsafe job.pointee.row_count * job.pointee.heads
      unsafe team.run(chunks: heads, context: job, wakes: false) { job, index in
        unsafe ck_merge_splits(job.assumingMemoryBound(to: ck_attention_job.self), index)
      }
    }
  }

  private func makeJob(_ kernels: Kernels) -> ck_attention_job {
    var job = unsafe ck_attention_job()
    unsafe job.kernels = unsafe kernels.table
    unsafe job.row_count = unsafe rows.count
    unsafe job.heads = shape.heads
    unsafe job.key_heads = shape.keyHeads
    unsafe job.query_stride = shape.queryHeadStride
    unsafe job.out_stride = shape.outputHeadStride
    unsafe job.layout = KVTile(format: shape.format, columns: shape.columns).layout
    unsafe job.page_bytes = pageByteCount
    unsafe job.key_head_stride = shape.keyHeadStride
    unsafe job.value_column = shape.valueColumn
    unsafe job.value_head_stride = shape.valueHeadStride
    unsafe job.key_width = shape.format.padded(shape.keyWidth)
    unsafe job.value_width = shape.format.padded(shape.valueWidth)
    unsafe job.out_width = shape.valueWidth
    unsafe job.scale = shape.scale
    return unsafe job
  }

  private mutating func place(_ queries: borrowing FloatMatrix, _ out: inout FloatMatrix) {
    let queryEnd = shape.heads * shape.queryHeadStride
    let outputEnd = (shape.heads - 1) * shape.outputHeadStride + shape.valueWidth
    precondition(queryEnd <= queries.rowStride, "queries are too narrow")
    precondition(outputEnd <= out.columns, "the output is too narrow")
    for index in places.indices {
      let (query, output) = places[index]
      precondition(query >= 0 && query < queries.rows && output >= 0 && output < out.rows)
      unsafe rows[index].queries = UnsafePointer(queries.baseAddress + query * queries.rowStride)
      unsafe rows[index].out = unsafe out.baseAddress + output * out.rowStride
    }
  }

  /// Groups rows and numbers their units: as much as possible in a unit, so that a tile is read
  /// once for many heads, but enough units for all threads.
  private mutating func cut(_ job: inout ck_attention_job, threads: Int) -> Int {
    let sharing = shape.heads / shape.keyHeads
    var unitHeads = min(sharing, Self.mostLines)
    unsafe job.by_split = false
    while true {
      unsafe job.unit_heads = unitHeads
      let units = unsafe group(&job, rowsPerGroup: max(1, Self.mostLines / unitHeads))
      if threads == 1 || units >= 4 * threads { return units }
      if unsafe !job.by_split, unsafe rows.contains(where: { unsafe $0.length > CK_KEY_SPLIT }) {
        unsafe job.by_split = true
      } else if unitHeads > 4 {
        unitHeads = max(4, unitHeads / 2)
      } else {
        return units
      }
    }
  }

  private mutating func group(_ job: inout ck_attention_job, rowsPerGroup: Int) -> Int {
    groups.removeAll(keepingCapacity: true)
    var units = 0
    var parts = 0
    for index in unsafe rows.indices {
      unsafe rows[index].first_part = parts
      let length = unsafe rows[index].length
      unsafe withUnsafePointer(to: job) { unsafe parts += ck_attention_parts($0, length) }
      if index > 0, follows(index), groups[groups.count - 1].row_count < rowsPerGroup {
        groups[groups.count - 1].row_count += 1
      } else {
        groups.append(ck_attention_group(first_row: index, row_count: 1, first_unit: 0))
      }
    }
    for index in groups.indices {
      let group = groups[index]
      groups[index].first_unit = units
      let length = unsafe rows[group.first_row + group.row_count - 1].length
      unsafe withUnsafePointer(to: job) { unsafe units += ck_attention_units($0, length) }
    }
    unsafe job.group_count = groups.count
    workspace.partCount = parts
    return units
  }

  /// Whether a row is the next position of the sequence of the row before.
  private func follows(_ index: Int) -> Bool {
    let (row, before) = unsafe (rows[index], rows[index - 1])
    return unsafe row.table == before.table && row.pages == before.pages
      && row.length == before.length + 1
  }
}

/// What the units of a plan write on their way; grows to the largest plan and stays.
private struct AttentionWorkspace: ~Copyable {
  var partCount = 0
  private var parts = FloatMatrix(rows: 1, columns: 0)
  private var codes = ByteBuffer(byteCount: 0)
  private var codeScales = FloatMatrix(rows: 1, columns: 0)
  private var codeStarts = ByteBuffer(byteCount: 0)

  mutating func prepare(_ job: inout ck_attention_job, rows: Int) {
    let partFloats = unsafe partCount * ck_attention_part(job.value_width)
    if parts.columns < partFloats { parts = FloatMatrix(rows: 1, columns: 2 * partFloats) }
    unsafe job.parts = parts.baseAddress
    guard unsafe job.layout.format == KVFormat.int8.code else { return }
    let elements = unsafe rows * job.heads * job.key_width
    let blocks = elements / 32
    if codes.byteCount < elements { codes = ByteBuffer(byteCount: elements) }
    if codeScales.columns < blocks { codeScales = FloatMatrix(rows: 1, columns: blocks) }
    if codeStarts.byteCount < 4 * blocks { codeStarts = ByteBuffer(byteCount: 4 * blocks) }
    unsafe job.code_scales = codeScales.baseAddress
    unsafe job.codes = codes.baseAddress.assumingMemoryBound(to: Int8.self)
    unsafe job.code_starts = codeStarts.baseAddress.assumingMemoryBound(to: Int32.self)
  }
}

extension Kernels {
  /// Attention of all rows of the plan: softmax(scale · query · keys) · values, per head.
  ///
  /// Online softmax over tiles of 64 positions in parts of 1024, merged in ascending order, so
  /// that a row's bits depend on its own query and positions alone.
  ///
  /// - `queries`: heads × `queryHeadStride` per row.
  /// - `out`: heads × `outputHeadStride` per row.
  public func run(
    _ plan: inout AttentionPlan, queries: borrowing FloatMatrix, into out: inout FloatMatrix
  ) {
    plan.run(queries, into: &out, with: self)
  }
}
