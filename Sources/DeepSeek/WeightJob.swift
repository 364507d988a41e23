import Kernels
import ModelFiles
import Synchronization
import Tensors

/// Some rows of a tensor to read and to pack.
struct WeightJob: Sendable {
  /// What happens to the rows between file and matrix; the floats are FP8 block factors.
  enum Transform: Sendable {
    case none
    case decoded([Float])
    case transposed([Float])
  }

  let tensor: TensorRecord
  let rows: Range<Int>  // of the tensor
  let matrix: PackedMatrix
  let row: Int  // of the matrix
  let transform: Transform

  private var byteCount: Int { rows.count * tensor.rowByteCount }

  private struct State {
    var doneBytes = 0
    var error: (any Error)?
  }

  /// Runs all jobs; each thread holds the bytes of one job at a time.
  ///
  /// `progress` is called with rising shares of 1, by one thread at a time.
  static func run(
    _ jobs: [WeightJob], from archive: ModelArchive, team: ThreadTeam, progress: (Double) -> Void
  ) throws {
    let total = Double(max(1, jobs.reduce(0) { $0 + $1.byteCount }))
    let state = Mutex(State())
    team.forEach(jobs.count) { index in
      guard state.withLock({ $0.error == nil }) else { return }
      do {
        try jobs[index].run(archive)
        state.withLock { state in
          state.doneBytes += jobs[index].byteCount
          progress(Double(state.doneBytes) / total)
        }
      } catch {
        state.withLock { $0.error = error }
      }
    }
    if let error = state.withLock({ $0.error }) { throw error }
  }

  private func run(_ archive: ModelArchive) throws {
    let raw = try archive.bytes(of: tensor, rows: rows)
    switch transform {
    case .none:
      unsafe matrix.pack(rawRows: raw.span.bytes, at: row)
    case .decoded(let scales):
      let floats = decode(raw, scales: scales)
      unsafe matrix.pack(rawRows: floats.span.bytes, at: row)
    case .transposed(let scales):
      if matrix.format == tensor.format {
        let transposed = transpose(raw, elementSize: tensor.format.blockByteCount)
        unsafe matrix.pack(rawRows: transposed.span.bytes, at: row)
      } else {
        let transposed = transpose(decode(raw, scales: scales), elementSize: 1)
        unsafe matrix.pack(rawRows: transposed.span.bytes, at: row)
      }
    }
  }

  private func decode(_ raw: [UInt8], scales: [Float]) -> [Float] {
    var floats = [Float](repeating: 0, count: rows.count * tensor.columns)
    var span = floats.mutableSpan
    unsafe tensor.format.decode(raw.span.bytes, into: &span)
    guard !scales.isEmpty else { return floats }
    let perRow = (tensor.columns + 127) / 128
    for (index, row) in rows.enumerated() {
      for column in 0..<tensor.columns {
        floats[index * tensor.columns + column] *= scales[row / 128 * perRow + column / 128]
      }
    }
    return floats
  }

  /// (rows, columns) to (columns, rows), for elements of `elementSize` array entries.
  private func transpose<Entry>(_ entries: [Entry], elementSize: Int) -> [Entry] {
    var result = entries
    for row in 0..<rows.count {
      for column in 0..<tensor.columns {
        let source = (row * tensor.columns + column) * elementSize
        let target = (column * rows.count + row) * elementSize
        for part in 0..<elementSize { result[target + part] = entries[source + part] }
      }
    }
    return result
  }
}
