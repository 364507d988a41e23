internal import Kernels
internal import Tensors

/// The shared experts' sums of one batch as they come from workers; one row per row of the batch.
struct SharedSums: ~Copyable {
  private var sums: FloatMatrix  // (grown on demand, hiddenSize)
  private var isMissing: [Bool] = []
  private(set) var missingCount = 0

  init(columns: Int) { sums = FloatMatrix(rows: 0, columns: columns) }

  /// Starts over with the sums of `rowCount` rows; none has come.
  mutating func begin(rowCount: Int) {
    isMissing.removeAll(keepingCapacity: true)
    for _ in 0..<rowCount { isMissing.append(true) }
    missingCount = rowCount
    guard rowCount > sums.rows else { return }
    sums = FloatMatrix(rows: max(rowCount, 2 * sums.rows), columns: sums.columns)
  }

  /// Whether the sum of one of `rows` has not come.
  func isMissing(anyOf rows: [Int32]) -> Bool { rows.contains { isMissing[Int($0)] } }

  /// Takes the sums of `rows`, one after another as floats.
  mutating func accept(_ bytes: RawSpan, for rows: [Int32]) {
    let size = sums.columns * 4
    for (index, row) in rows.enumerated() where isMissing[Int(row)] {
      var target = sums.mutableRow(Int(row))
      var floats = unsafe target.mutableBytes
      floats.copy(bytes.extracting(index * size..<(index + 1) * size))
      isMissing[Int(row)] = false
      missingCount -= 1
    }
  }

  /// Adds each row to that of `sum`.
  func add(to sum: inout FloatMatrix, with kernels: Kernels) {
    kernels.add(sums, to: &sum, rows: 0..<isMissing.count)
  }
}
