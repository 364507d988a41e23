import Experts
import Foundation
import Kernels
import Messages
import ModelFiles
import Tensors

/// A model of nothing but small experts of zeros, so that a worker has something to hold.
struct EmptyModel {
  /// One expert each, so that a row with so many experts uses so many groups.
  static let groupCount = 8
  let path: String
  let archive: ModelArchive
  let catalog: ExpertCatalog

  var geometry: ExpertGeometry { catalog.geometry }

  init(hidden: Int, groups: Int) throws {
    let inner = 32
    var blueprint = GGUFBlueprint()
    blueprint.set("general.architecture", string: "deepseek2")
    let layers = 0..<2
    for layer in layers {
      for (name, rows, columns) in [
        ("gate", inner, hidden), ("up", inner, hidden), ("down", hidden, inner),
      ] {
        blueprint.add(
          "blk.\(layer).ffn_\(name)_exps.weight", .q8_0, [Self.groupCount, rows, columns])
      }
    }
    path =
      FileManager.default.temporaryDirectory
      .appending(path: "conclave-dispatch-\(UUID().uuidString).gguf").path
    var writer = try GGUFWriter(blueprint, to: path)
    for tensor in blueprint.tensors {
      try writer.write([UInt8](repeating: 0, count: tensor.byteCount).span)
    }
    try writer.finish()
    (archive, catalog) = try Self.open(path, hidden: hidden, groups: groups)
  }

  /// The same file in the worker's process.
  static func open(
    _ path: String, hidden: Int, groups: Int
  ) throws -> (ModelArchive, ExpertCatalog) {
    let archive = try ModelArchive.open(path)
    let shape = try ExpertShape(
      hiddenSize: hidden, expertIntermediateSize: 32, expertCount: groupCount,
      expertsPerToken: groups, moeLayers: 0..<2, modelGroupCount: groupCount)
    return (archive, try ExpertCatalog(archive: archive, shape: shape))
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }

  /// One row with the first experts.
  func batch(_ layer: Int, _ kernels: Kernels) -> RoutedBatch {
    var row = FloatMatrix(rows: 1, columns: geometry.hiddenSize)
    var elements = row.mutableRow(0)
    for index in 0..<geometry.hiddenSize { elements[index] = Float(index % 7) - 3 }
    var batch = RoutedBatch(geometry: geometry, capacity: 1)
    batch.encode(row, rows: 0..<1, layer: LayerIndex(layer), with: kernels)
    let experts = (0..<Int32(geometry.expertsPerToken)).map { $0 }
    let weights = experts.map { _ in Float(1) }
    batch.setExperts(row: 0, experts: experts.span, weights: weights.span)
    return batch
  }
}

/// Bytes of the frames of one dispatch and of its reply.
struct FrameSizes {
  let question: [Int]
  let answer: [Int]

  var questionByteCount: Int { question.reduce(0, +) }
  var answerByteCount: Int { answer.reduce(0, +) }

  init(_ model: EmptyModel) throws {
    let geometry = model.geometry
    let layer = LayerIndex(0)
    let call = Call(step: 1_000, number: 2_000, layer: 1, attempt: 1)
    let now: UInt64 = 1 << 44
    let entries = geometry.expertsPerToken
    let format = RowFormat(geometry.replyFormat(layer))
    let dispatch = DispatchHeader(
      call: call, rowCount: 1, width: geometry.hiddenSize, entryCount: entries,
      rowFormat: RowFormat(geometry.inputFormat(layer)), replyFormat: format, enqueuedAt: now)
    let reply = ReplyHeader(
      call: call, partialCount: entries, width: geometry.hiddenSize, rowFormat: format,
      enqueuedAt: now,
      times: WorkerTimes(
        receivedAt: now, computeStartedAt: now, computeEndedAt: now, repliedAt: now), error: nil)
    question = [
      try Self.byteCount(.dispatch(dispatch)), DispatchIndex.byteCount(entryCount: entries),
      geometry.inputFormat(layer).byteCount(columns: geometry.hiddenSize),
    ]
    answer = [
      try Self.byteCount(.reply(reply)), 0, entries * geometry.replyRowByteCount(layer),
    ]
  }

  private static func byteCount(_ body: DataHeader.Body) throws -> Int {
    var bytes: [UInt8] = []
    let header = DataHeader(
      incarnation: .random(), epoch: Epoch(rawValue: 1), model: .max, checksum: .max, body: body)
    try MessageCodec().encode(header, into: &bytes)
    return bytes.count
  }
}
