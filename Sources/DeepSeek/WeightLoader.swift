import Kernels
import ModelFiles
import Tensors

/// Checks a model's tensors and turns them into packed matrices.
///
/// Matrices are reserved first, one by one, which finds every missing or misshapen tensor before
/// anything is read; `load` then reads and packs their rows, on several threads.
struct WeightLoader {
  let archive: ModelArchive
  let names: WeightNames
  private let arena: WeightArena
  private var jobs: [WeightJob] = []

  /// Bytes of one job, unless 16 rows are more.
  private static let jobByteCount = 2 << 20

  init(_ archive: ModelArchive, arena: WeightArena) {
    self.archive = archive
    self.arena = arena
    switch archive.container {
    case .gguf: names = .gguf
    case .huggingFace: names = .huggingFace
    }
  }

  /// Reads and packs everything that was reserved.
  func load(team: ThreadTeam, progress: (Double) -> Void) throws {
    try WeightJob.run(jobs, from: archive, team: team, progress: progress)
  }

  func has(_ name: String) -> Bool { archive.tensor(named: name) != nil }

  func tensor(_ name: String) throws(ModelError) -> TensorRecord {
    guard let tensor = archive.tensor(named: name) else {
      throw .missingTensor(file: archive.path, name: name)
    }
    return tensor
  }

  func tensor(_ name: String, shape: [Int]) throws(ModelError) -> TensorRecord {
    let tensor = try tensor(name)
    guard tensor.shape == shape else {
      throw .badShape(
        file: archive.path, name: name, shape: tensor.shape, expected: shape)
    }
    return tensor
  }

  /// A norm's weights or a bias, decoded.
  func vector(_ name: String, count: Int) throws -> [Float] {
    try decodeRows(tensor(name, shape: [count]), rows: 0..<1)
  }

  /// A linear layer, (rows, columns).
  mutating func matrix(_ name: String, rows: Int, columns: Int) throws -> PackedMatrix {
    let tensor = try tensor(name, shape: [rows, columns])
    return try matrix(tensor, rows: 0..<rows)
  }

  /// A linear layer whose input must never be quantised: block formats are decoded to floats.
  mutating func floatMatrix(_ name: String, rows: Int, columns: Int) throws -> PackedMatrix {
    let tensor = try tensor(name, shape: [rows, columns])
    guard tensor.format.activationFormat != .float32 else {
      return try matrix(tensor, rows: 0..<rows)
    }
    return try decodedMatrix(tensor, rows: 0..<rows)
  }

  /// Some rows of a tensor, counted over all dimensions but the last, as a matrix of their own.
  mutating func matrix(_ tensor: TensorRecord, rows: Range<Int>) throws -> PackedMatrix {
    var scales: [Float] = []
    if tensor.format == .f8E4M3, let all = try blockScales(of: tensor) {
      // Factors of a part can be taken over when it is whole blocks of the tensor.
      guard rows == 0..<tensor.rows || (rows.lowerBound % 128 == 0 && rows.count % 128 == 0) else {
        return try decodedMatrix(tensor, rows: rows)
      }
      let perRow = blocks(tensor.columns)
      scales = Array(all[rows.lowerBound / 128 * perRow..<blocks(rows.upperBound) * perRow])
    }
    let matrix = try reserve(tensor, format: tensor.format, rows: rows.count)
    if !scales.isEmpty { matrix.setBlockScales(scales.span) }
    append(tensor, rows: rows, to: matrix, transform: .none)
    return matrix
  }

  private mutating func decodedMatrix(
    _ tensor: TensorRecord, rows: Range<Int>
  ) throws -> PackedMatrix {
    let matrix = try reserve(tensor, format: .f32, rows: rows.count)
    append(tensor, rows: rows, to: matrix, transform: .decoded(try blockScales(of: tensor) ?? []))
    return matrix
  }

  /// Some rows of a tensor, transposed: (columns, rows.count).
  ///
  /// Unblocked formats keep their elements; others are decoded to float32.
  mutating func transposedMatrix(_ tensor: TensorRecord, rows: Range<Int>) throws -> PackedMatrix {
    let keeps = [.f32, .f16, .bf16].contains(tensor.format)
    let matrix = try PackedMatrix(
      arena: arena, format: keeps ? tensor.format : .f32, rows: tensor.columns,
      columns: rows.count)
    let scales = keeps ? [] : try blockScales(of: tensor) ?? []
    jobs.append(
      WeightJob(
        tensor: tensor, rows: rows, matrix: matrix, row: 0, transform: .transposed(scales)))
    return matrix
  }

  private func reserve(
    _ tensor: TensorRecord, format: ElementFormat, rows: Int
  ) throws -> PackedMatrix {
    do {
      return try PackedMatrix(arena: arena, format: format, rows: rows, columns: tensor.columns)
    } catch .unsupportedShape {
      throw ModelError.badFormat(
        file: archive.path, name: tensor.name,
        problem: "is stored as \(format.name), which is no format for weights; convert it again")
    }
  }

  private mutating func append(
    _ tensor: TensorRecord, rows: Range<Int>, to matrix: PackedMatrix,
    transform: WeightJob.Transform
  ) {
    let panel = PackedMatrix.panelRows
    let panels = max(1, Self.jobByteCount / max(1, panel * tensor.rowByteCount))
    for first in stride(from: 0, to: rows.count, by: panels * panel) {
      let end = min(rows.count, first + panels * panel)
      let part = rows.lowerBound + first..<rows.lowerBound + end
      jobs.append(
        WeightJob(tensor: tensor, rows: part, matrix: matrix, row: first, transform: transform))
    }
  }

  /// The factors of an FP8 matrix's 128 × 128 blocks, row-major; nil when it has none.
  private func blockScales(of tensor: TensorRecord) throws -> [Float]? {
    let name = names.blockScales(of: tensor.name)
    guard tensor.format == .f8E4M3, has(name) else { return nil }
    let shape = [blocks(tensor.rows), blocks(tensor.columns)]
    return try decodeRows(self.tensor(name, shape: shape), rows: 0..<shape[0])
  }

  private func decodeRows(_ tensor: TensorRecord, rows: Range<Int>) throws -> [Float] {
    let raw = try archive.bytes(of: tensor, rows: rows)
    var floats = [Float](repeating: 0, count: rows.count * tensor.columns)
    var span = floats.mutableSpan
    unsafe tensor.format.decode(raw.span.bytes, into: &span)
    return floats
  }

  private func blocks(_ count: Int) -> Int { (count + 127) / 128 }
}
