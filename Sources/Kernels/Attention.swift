internal import CKernels
internal import Glibc
public import Tensors

/// How query heads, keys and values lie in their rows.
///
/// Latent attention: one key head that all query heads share, whose first `valueWidth` floats are
/// the value. Grouped-query attention: heads / keyHeads query heads share a key head.
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
  /// Floats from one query head to the next: at least `keyWidth` rounded up to 16, zeros between.
  public var queryHeadStride: Int
  /// Floats from one key head to the next, likewise padded with zeros.
  public var keyHeadStride: Int
  /// Floats from one value head to the next: at least `valueWidth` rounded up to 16.
  public var valueHeadStride: Int
  /// Floats from one output head to the next.
  public var outputHeadStride: Int

  /// Heads that stand 16 floats aligned, outputs without gaps.
  public init(heads: Int, keyHeads: Int = 1, keyWidth: Int, valueWidth: Int, scale: Float) {
    precondition(heads > 0 && keyHeads > 0 && heads % keyHeads == 0)
    precondition(keyWidth > 0 && valueWidth > 0)
    self.heads = heads
    self.keyHeads = keyHeads
    self.keyWidth = keyWidth
    self.valueWidth = valueWidth
    self.scale = scale
    queryHeadStride = Self.padded(keyWidth)
    keyHeadStride = Self.padded(keyWidth)
    valueHeadStride = Self.padded(valueWidth)
    outputHeadStride = valueWidth
  }

  /// `width` rounded up to 16 floats.
  public static func padded(_ width: Int) -> Int { (width + 15) / 16 * 16 }
}

/// Query rows that attend together, each to its own sequence's cache.
///
/// Keeps addresses, not matrices: keys, values, queries and output must stay where they are until
/// the plan has run.
@safe
public struct AttentionPlan: ~Copyable {
  /// The layout of all rows.
  public let shape: AttentionShape

  private var rows: [ck_attention_row] = unsafe []
  private var places: [(query: Int, output: Int)] = []
  private var workspace = FloatMatrix(rows: 1, columns: 0)
  private var partCount = 0

  /// Makes an empty plan.
  public init(shape: AttentionShape) { self.shape = shape }

  /// Forgets all rows and keeps the storage.
  public mutating func removeAll() {
    unsafe rows.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    partCount = 0
  }

  /// Adds a query row that attends to positions 0 ..< `length`.
  ///
  /// - `queryRow`: its row in the queries, heads × `queryHeadStride`.
  /// - `keys`: a row per position, from `keyColumn` on.
  /// - `values`: a row per position, from `valueColumn` on; may be the keys' matrix.
  /// - `outputRow`: its row in the output; `queryRow` by default.
  public mutating func append(
    queryRow: Int, keys: borrowing FloatMatrix, keyColumn: Int = 0,
    values: borrowing FloatMatrix, valueColumn: Int = 0, length: Int, outputRow: Int? = nil
  ) {
    precondition(length > 0 && length <= keys.rows && length <= values.rows, "no such positions")
    let keyEnd =
      keyColumn + (shape.keyHeads - 1) * shape.keyHeadStride
      + AttentionShape.padded(shape.keyWidth)
    let valueEnd =
      valueColumn + (shape.keyHeads - 1) * shape.valueHeadStride
      + AttentionShape.padded(shape.valueWidth)
    precondition(keyColumn >= 0 && keyEnd <= keys.rowStride, "keys are too narrow")
    precondition(valueColumn >= 0 && valueEnd <= values.rowStride, "values are too narrow")
    var row = unsafe ck_attention_row()
    unsafe row.keys = UnsafePointer(keys.baseAddress + keyColumn)
    unsafe row.values = UnsafePointer(values.baseAddress + valueColumn)
    unsafe row.key_stride = keys.rowStride
    unsafe row.value_stride = values.rowStride
    unsafe row.length = length
    unsafe row.first_part = partCount
    partCount += shape.heads * ((length + 1023) / 1024)
    unsafe rows.append(row)
    places.append((queryRow, outputRow ?? queryRow))
  }

  mutating func run(
    _ queries: borrowing FloatMatrix, into out: inout FloatMatrix, with kernels: Kernels
  ) {
    var job = unsafe makeJob(kernels)
    place(queries, &out)
    let units = unsafe cut(&job, threads: kernels.team.threadCount)
    let products = unsafe rows.reduce(0) { unsafe $0 + $1.length } * shape.heads * shape.keyWidth
    let wakes = products > 1 << 20
    let partFloats = ck_attention_part(shape.valueWidth)
    if workspace.columns < partCount * partFloats {
      workspace = FloatMatrix(rows: 1, columns: partCount * partFloats)
    }
    unsafe job.parts = workspace.baseAddress
    unsafe rows.withUnsafeBufferPointer { rows in
      unsafe job.rows = rows.baseAddress
      unsafe withUnsafeMutablePointer(to: &job) { job in
        unsafe kernels.team.run(chunks: units, context: job, wakes: wakes) { context, unit in
          unsafe ck_attend_unit(context.assumingMemoryBound(to: ck_attention_job.self), unit)
        }
        unsafe kernels.team.run(chunks: rows.count, context: job, wakes: false) { context, row in
          unsafe ck_merge_row(context.assumingMemoryBound(to: ck_attention_job.self), row)
        }
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
    unsafe job.key_head_stride = shape.keyHeadStride
    unsafe job.value_head_stride = shape.valueHeadStride
    unsafe job.out_stride = shape.outputHeadStride
    unsafe job.key_width = shape.keyWidth
    unsafe job.value_width = shape.valueWidth
    unsafe job.scale = shape.scale
    return unsafe job
  }

  private mutating func place(_ queries: borrowing FloatMatrix, _ out: inout FloatMatrix) {
    let queryEnd = (shape.heads - 1) * shape.queryHeadStride + AttentionShape.padded(shape.keyWidth)
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

  /// Numbers the units of all rows; fewer heads per unit when there would be too few units.
  private mutating func cut(_ job: inout ck_attention_job, threads: Int) -> Int {
    var unitHeads = Int(CK_MAX_UNIT_HEADS)
    while true {
      unsafe job.unit_heads = unitHeads
      var units = 0
      for index in unsafe rows.indices {
        unsafe rows[index].first_unit = units
        unsafe withUnsafePointer(to: job) {
          units += unsafe ck_attention_units($0, rows[index].length)
        }
      }
      if threads == 1 || units >= 4 * threads || unitHeads <= 4 { return units }
      unitHeads /= 2
    }
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
