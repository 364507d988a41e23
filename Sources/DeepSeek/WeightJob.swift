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

  /// Bytes that are read at a time: they stay in a core's cache until they are packed.
  private static let pieceByteCount = 256 << 10

  /// Rows that are read at a time: whole panels, or all when they become columns.
  private var pieceRows: Int {
    if case .transposed = transform { return rows.count }
    let panel = PackedMatrix.panelRows
    return panel * max(1, Self.pieceByteCount / max(1, panel * tensor.rowByteCount))
  }

  /// Runs all jobs; each thread holds the bytes of one piece at a time.
  ///
  /// `progress` is called with rising shares of 1, by one thread at a time.
  static func run(
    _ jobs: [WeightJob], from archive: ModelArchive, team: ThreadTeam, progress: (Double) -> Void
  ) throws {
    let total = Double(max(1, jobs.reduce(0) { $0 + $1.byteCount }))
    let piece = jobs.map { min($0.pieceRows, $0.rows.count) * $0.tensor.rowByteCount }.max() ?? 0
    let state = Mutex(State())
    team.forEach(jobs.count, bufferByteCount: piece) { index, buffer in
      guard state.withLock({ $0.error == nil }) else { return }
      do {
        try jobs[index].run(archive, &buffer)
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

  private func run(_ archive: ModelArchive, _ buffer: inout ByteBuffer) throws {
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: pieceRows) {
      let part = first..<min(first + pieceRows, rows.upperBound)
      let size = tensor.rowByteCount
      var all = buffer.mutableBytes
      var target = all._mutatingExtracting(0..<part.count * size)
      try archive.read(
        tensor, bytes: part.lowerBound * size..<part.upperBound * size, into: &target)
      pack(buffer.bytes.extracting(0..<part.count * size), part)
    }
  }

  private func pack(_ raw: RawSpan, _ part: Range<Int>) {
    let target = row + part.lowerBound - rows.lowerBound
    switch transform {
    case .none:
      matrix.pack(rawRows: raw, at: target)
    case .decoded(let scales):
      let floats = decode(raw, part, scales: scales)
      unsafe matrix.pack(rawRows: floats.span.bytes, at: target)
    case .transposed(let scales):
      if matrix.format != tensor.format {
        let floats = decode(raw, part, scales: scales)
        packTransposed(unsafe floats.span.bytes, as: UInt32.self)
      } else if tensor.format == .f32 {
        packTransposed(raw, as: UInt32.self)
      } else {
        packTransposed(raw, as: UInt16.self)
      }
    }
  }

  private func decode(_ raw: RawSpan, _ part: Range<Int>, scales: [Float]) -> [Float] {
    var floats = [Float](repeating: 0, count: part.count * tensor.columns)
    var span = floats.mutableSpan
    tensor.format.decode(raw, into: &span)
    guard !scales.isEmpty else { return floats }
    let perRow = (tensor.columns + 127) / 128
    for (index, row) in part.enumerated() {
      for column in 0..<tensor.columns {
        floats[index * tensor.columns + column] *= scales[row / 128 * perRow + column / 128]
      }
    }
    return floats
  }

  /// Packs all rows of the job as columns; `Word` is as large as an element.
  private func packTransposed<Word: FixedWidthInteger & BitwiseCopyable>(
    _ raw: RawSpan, as type: Word.Type
  ) {
    var words = [Word](repeating: 0, count: rows.count * tensor.columns)
    var target = words.mutableSpan
    for column in 0..<tensor.columns {
      for row in 0..<rows.count {
        let source = (row * tensor.columns + column) * MemoryLayout<Word>.size
        target[column * rows.count + row] = unsafe raw.unsafeLoadUnaligned(
          fromByteOffset: source, as: Word.self)
      }
    }
    unsafe matrix.pack(rawRows: words.span.bytes, at: row)
  }
}
