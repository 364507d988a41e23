import Experts
import Foundation
import ModelFiles
import Tensors
import TestSupport
import Testing

/// A fixture with routed experts, and what its configuration says about them.
struct TestModel: Sendable, CustomTestStringConvertible {
  let path: String
  let shape: ExpertShape

  var testDescription: String { path }

  func catalog() throws -> ExpertCatalog {
    try ExpertCatalog(archive: .open(Fixtures.path(path)), shape: shape)
  }

  init(
    _ path: String, hidden: Int, inner: Int, experts: Int, used: Int, layers: Range<Int>,
    groups: Int
  ) {
    self.path = path
    shape = succeed {
      try ExpertShape(
        hiddenSize: hidden, expertIntermediateSize: inner, expertCount: experts,
        expertsPerToken: used, moeLayers: layers, modelGroupCount: groups)
    }
  }

  /// Reads the sizes from a GGUF file's metadata.
  init(_ path: String) {
    let archive = succeed { try ModelArchive.open(Fixtures.path(path)) }
    guard case .gguf(let metadata) = archive.container else { preconditionFailure(path) }
    func integer(_ key: String, _ fallback: Int) -> Int {
      succeed { try metadata.integer(ifPresent: "deepseek2." + key) } ?? fallback
    }
    self.init(
      path, hidden: integer("embedding_length", 0), inner: integer("expert_feed_forward_length", 0),
      experts: integer("expert_count", 0), used: integer("expert_used_count", 0),
      layers: integer("leading_dense_block_count", 0)..<integer("block_count", 0),
      groups: integer("expert_group_count", 1))
  }

  static let folders = [
    TestModel(
      "models/v2-lite-like", hidden: 42, inner: 12, experts: 9, used: 4, layers: 1..<3, groups: 1),
    TestModel(
      "models/v2-236b-like", hidden: 45, inner: 7, experts: 16, used: 3, layers: 1..<3, groups: 4),
    TestModel(
      "models/v3-like", hidden: 38, inner: 9, experts: 12, used: 5, layers: 1..<3, groups: 4),
    TestModel(
      "models/moonlight-like", hidden: 48, inner: 13, experts: 11, used: 4, layers: 1..<3,
      groups: 1),
    fp8,
  ]
  static let fp8 = TestModel(
    "models/v3-fp8-like", hidden: 136, inner: 22, experts: 8, used: 3, layers: 1..<2, groups: 4)

  static let quantised = [
    "gguf/k-quants-3-layers/Q4_K_M.gguf", "gguf/k-quants-2-layers/Q5_K_M.gguf",
    "gguf/k-quants-2-layers/Q6_K.gguf", "gguf/k-quants-2-layers/IQ4_XS.gguf",
    "gguf/blocks-of-32/Q8_0.gguf", "gguf/blocks-of-32/Q4_0.gguf",
  ].map { TestModel($0) }

  static let floatFiles = [
    "gguf/v2-lite-like.gguf", "gguf/v2-236b-like.gguf", "gguf/moonlight-like/model.gguf",
    "gguf/v3-like/v3-like-00001-of-00003.gguf",
  ].map { TestModel($0) }

  static let all = folders + floatFiles + quantised

  /// One of each kind, for tests that run a model many times.
  static let some = [folders[1], fp8, quantised[0], quantised[4]]
}

extension ExpertCatalog {
  /// The whole stream of a group.
  func bytes(_ layer: LayerIndex, _ group: GroupIndex) throws -> [UInt8] {
    try bytes(layer, group, 0..<geometry.byteCount(layer, group))
  }

  /// A part of the stream of a group.
  func bytes(_ layer: LayerIndex, _ group: GroupIndex, _ range: Range<Int>) throws -> [UInt8] {
    var buffer = ByteBuffer(byteCount: range.count)
    var target = buffer.mutableBytes
    try read(layer: layer, group: group, bytes: range, into: &target)
    return buffer.bytes.array
  }
}

extension RawSpan {
  /// A copy of the bytes.
  var array: [UInt8] {
    (0..<byteCount).map { unsafe unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
  }
}

/// The value of something that cannot fail on a fixture.
private func succeed<Value>(_ body: () throws -> Value) -> Value {
  do { return try body() } catch { preconditionFailure("\(error)") }
}

extension FloatMatrix {
  /// The bits of some rows, without padding.
  func bits(_ rows: Range<Int>) -> [UInt32] {
    rows.flatMap { index in (0..<columns).map { row(index)[$0].bitPattern } }
  }

  /// The elements of one row.
  func array(_ index: Int) -> [Float] {
    let row = row(index)
    return row.indices.map { row[$0] }
  }

  /// Random rows between −1 and 1, with a few large elements as real activations have.
  static func random(rows: Int, columns: Int, seed: UInt64) -> FloatMatrix {
    var generator = SeededGenerator(seed: seed)
    var matrix = FloatMatrix(rows: rows, columns: columns)
    for index in 0..<rows {
      var row = matrix.mutableRow(index)
      for column in 0..<columns {
        let scale: Float = Int.random(in: 0..<40, using: &generator) == 0 ? 8 : 1
        row[column] = scale * Float.random(in: -1...1, using: &generator)
      }
    }
    return matrix
  }
}
