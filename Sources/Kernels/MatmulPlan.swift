internal import CKernels
public import Tensors

/// Matrix products that run together, as one parallel region without allocation.
///
/// A plan keeps addresses, not matrices: whatever was appended must stay where it is until the
/// plan has run. No two products may write the same elements.
@safe
public struct MatmulPlan: ~Copyable {
  private var tasks: [ck_task] = unsafe []
  private var indices: [Int32] = []

  /// Makes an empty plan.
  public init() { unsafe tasks.reserveCapacity(64) }

  /// Forgets all products and keeps the storage.
  public mutating func removeAll() {
    unsafe tasks.removeAll(keepingCapacity: true)
    indices.removeAll(keepingCapacity: true)
  }

  /// Products to run.
  public var isEmpty: Bool { unsafe tasks.isEmpty }

  /// Adds `weights` × rows of `x`, written to adjacent rows of `out`.
  ///
  /// - `columnOffset`: where in each row of `x` the matrix's input starts; whole blocks.
  /// - `rows`: which rows of `x`.
  /// - `outputRow`: the row of `out` that the first of them is for.
  /// - `outputColumn`: where in each row of `out` the matrix's output starts.
  public mutating func append(
    _ weights: PackedMatrix, _ x: borrowing EncodedRows, columnOffset: Int = 0, rows: Range<Int>,
    into out: inout FloatMatrix, outputRow: Int = 0, outputColumn: Int = 0
  ) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= x.rowCount, "no such activation rows")
    precondition(outputRow >= 0 && outputRow + rows.count <= out.rows, "no such output rows")
    if rows.isEmpty { return }
    var task = unsafe Self.task(weights, x, columnOffset, &out, outputColumn)
    unsafe task.row_count = rows.count
    unsafe task.x_first = rows.lowerBound
    unsafe task.out_first = outputRow
    unsafe tasks.append(task)
  }

  /// Adds `weights` × the rows of `x` in `rows`, written to the rows of `out` in `outputRows`.
  public mutating func append(
    _ weights: PackedMatrix, _ x: borrowing EncodedRows, columnOffset: Int = 0, rows: Span<Int32>,
    into out: inout FloatMatrix, outputRows: Span<Int32>, outputColumn: Int = 0
  ) {
    precondition(rows.count == outputRows.count, "as many output rows as input rows")
    if rows.count == 0 { return }
    var task = unsafe Self.task(weights, x, columnOffset, &out, outputColumn)
    unsafe task.row_count = rows.count
    unsafe task.x_indices = add(rows, below: x.rowCount)
    unsafe task.out_indices = add(outputRows, below: out.rows)
    unsafe tasks.append(task)
  }

  /// Adds `weights` × the rows of `x` in `rows`, written to adjacent rows of `out`.
  public mutating func append(
    _ weights: PackedMatrix, _ x: borrowing EncodedRows, columnOffset: Int = 0, rows: Span<Int32>,
    into out: inout FloatMatrix, outputRow: Int, outputColumn: Int = 0
  ) {
    precondition(outputRow >= 0 && outputRow + rows.count <= out.rows, "no such output rows")
    if rows.count == 0 { return }
    var task = unsafe Self.task(weights, x, columnOffset, &out, outputColumn)
    unsafe task.row_count = rows.count
    unsafe task.x_indices = add(rows, below: x.rowCount)
    unsafe task.out_first = outputRow
    unsafe tasks.append(task)
  }

  private static func task(
    _ weights: PackedMatrix, _ x: borrowing EncodedRows, _ columnOffset: Int,
    _ out: inout FloatMatrix, _ outputColumn: Int
  ) -> ck_task {
    precondition(
      weights.activationFormat == x.format,
      "\(weights.format.name) weights take \(weights.activationFormat), not \(x.format)")
    precondition(
      columnOffset >= 0 && columnOffset % x.format.blockLength == 0
        && columnOffset + weights.columns <= x.columns, "input columns are out of range")
    precondition(
      outputColumn >= 0 && outputColumn + weights.rows <= out.columns,
      "output columns are out of range")
    var task = unsafe ck_task()
    unsafe task.format = weights.format.rawValue
    unsafe task.panels = UnsafePointer(weights.base.assumingMemoryBound(to: UInt8.self))
    unsafe task.panel_bytes = weights.panelByteCount
    unsafe task.block_scales = UnsafePointer(weights.blockScales)
    unsafe task.rows = weights.rows
    unsafe task.columns = weights.columns
    let elementBytes = x.format == .float32 ? 4 : 1
    unsafe task.x = UnsafePointer(
      (x.bytes + columnOffset * elementBytes).assumingMemoryBound(to: UInt8.self))
    unsafe task.x_stride = x.rowByteCount
    unsafe task.x_blocks = UnsafePointer(
      x.format == .int8Blocks ? x.blocks + columnOffset / 32 : x.blocks)
    unsafe task.x_blocks_stride = x.columns / 32
    unsafe task.out = unsafe out.baseAddress + outputColumn
    unsafe task.out_stride = out.rowStride
    unsafe task.x_indices = -1
    unsafe task.out_indices = -1
    return unsafe task
  }

  private mutating func add(_ rows: Span<Int32>, below limit: Int) -> Int {
    let start = indices.count
    for index in rows.indices {
      precondition(rows[index] >= 0 && rows[index] < limit, "no row \(rows[index])")
      indices.append(rows[index])
    }
    return start
  }
}

extension MatmulPlan {
  private static let smallestChunk = 48 << 10  // bytes, or what takes as long
  private static let wakingCost = 400 << 10  // worth waking a helper, in bytes
  private static let chunksPerThread = 6
  private static let productsPerByte = 12  // multiplications that take as long as reading a byte

  /// Rows of a product that share what was read of the weights.
  private static let tileRows = Int(CK_TILE_ROWS)

  /// How long a panel takes for `rows` rows, in bytes read from memory.
  private static func cost(_ task: ck_task, rows: Int) -> Int {
    let products = unsafe 16 * task.columns * rows
    return unsafe max(task.panel_bytes, products / productsPerByte)
  }

  /// Cuts the products into chunks of about equal cost; returns how many, and the cost.
  ///
  /// A chunk arranges its rows for all of its panels, so it has as many panels as possible and
  /// more than a tile of rows only when it has them all.
  private mutating func cut(threads: Int) -> (chunks: Int, cost: Int) {
    var total = 0
    for index in unsafe tasks.indices {
      let rows = unsafe tasks[index].row_count
      total += unsafe Self.cost(tasks[index], rows: rows) * ((tasks[index].rows + 15) / 16)
    }
    let target = max(total / (threads * Self.chunksPerThread), Self.smallestChunk)
    var chunks = 0
    for index in unsafe tasks.indices {
      let (rows, panels) = unsafe (tasks[index].row_count, (tasks[index].rows + 15) / 16)
      let tile = min(rows, Self.tileRows)
      let fitting = unsafe max(1, target / Self.cost(tasks[index], rows: tile))
      let chunkPanels = min(fitting, panels)
      let chunkRows = min(rows, tile * max(1, fitting / panels))
      unsafe tasks[index].first_chunk = chunks
      unsafe tasks[index].chunk_panels = chunkPanels
      unsafe tasks[index].chunk_rows = chunkRows
      chunks += (panels + chunkPanels - 1) / chunkPanels * ((rows + chunkRows - 1) / chunkRows)
    }
    return (chunks, total)
  }

  mutating func run(with kernels: Kernels) {
    let (chunks, cost) = cut(threads: kernels.team.threadCount)
    unsafe tasks.withUnsafeBufferPointer { tasks in
      unsafe indices.withUnsafeBufferPointer { indices in
        var plan = unsafe ck_plan(
          kernels: kernels.table, tasks: tasks.baseAddress, indices: indices.baseAddress,
          task_count: tasks.count)
        unsafe withUnsafeMutablePointer(to: &plan) { plan in
          unsafe kernels.team.run(
            chunks: chunks, context: plan, wakes: cost > Self.wakingCost
          ) { context, chunk in
            unsafe ck_run_chunk(context.assumingMemoryBound(to: ck_plan.self), chunk)
          }
        }
      }
    }
  }
}

extension Kernels {
  /// Runs all products of the plan and keeps them, for another run.
  public func run(_ plan: inout MatmulPlan) {
    if plan.isEmpty { return }
    plan.run(with: self)
  }
}
