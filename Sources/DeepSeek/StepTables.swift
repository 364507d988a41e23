import Foundation
import Tensors

/// What the rows of a step need of their positions: cosines and sines, once for all layers.
struct StepTables: ~Copyable {
  private(set) var cosines: FloatMatrix  // (rows, pairs)
  private(set) var sines: FloatMatrix  // (rows, pairs)
  /// Which row of the tables each row of a step uses: its own.
  let rowIndices: [Int32]

  private let frequencies: [Double]  // (pairs), radians per position
  private let amplitude: Double

  init(rows: Int, rotary: RotaryConfiguration, size: Int) {
    frequencies = rotary.frequencies(size: size)
    amplitude = rotary.amplitude
    rowIndices = (0..<rows).map { Int32($0) }
    cosines = FloatMatrix(rows: rows, columns: frequencies.count)
    sines = FloatMatrix(rows: rows, columns: frequencies.count)
  }

  /// Computes all angles in double precision: float32 ones are off by 0.01 near position 100,000.
  mutating func fill(_ rows: [StepBatch.Row]) {
    for (index, row) in rows.enumerated() {
      let position = Double(row.position)
      Self.fill(&cosines, index) { cos(position * frequencies[$0]) * amplitude }
      Self.fill(&sines, index) { sin(position * frequencies[$0]) * amplitude }
    }
  }

  private static func fill(
    _ table: inout FloatMatrix, _ index: Int, _ value: (Int) -> Double
  ) {
    var row = table.mutableRow(index)
    for pair in 0..<row.count { row[pair] = Float(value(pair)) }
  }
}
