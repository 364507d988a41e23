internal import CKernels

extension Kernels {
  /// Elements that are worth a chunk of their own.
  private static let chunkElements = 16384
  /// Elements that are worth waking a helper.
  private static let wakingElements = 131_072

  /// Runs a row operation, in parallel when it is large enough.
  ///
  /// - pieces: how many times `columns` elements a row has.
  @unsafe
  func run(_ job: inout ck_rows, rows: Int, columns: Int, pieces: Int = 1, _ body: TeamJob) {
    let elements = max(columns * pieces, 1)
    let chunkRows = max(1, Self.chunkElements / elements)
    unsafe job.kernels = unsafe table
    unsafe job.rows = rows
    unsafe job.columns = columns
    unsafe job.chunk_rows = chunkRows
    unsafe withUnsafeMutablePointer(to: &job) { job in
      unsafe team.run(
        chunks: (rows + chunkRows - 1) / chunkRows, context: job,
        wakes: rows * elements > Self.wakingElements, body)
    }
  }
}
