import Experts
import Foundation
import ModelFiles
import Tensors

/// A file with routed experts only: unlike formats within a layer, and merged gate and up stacks.
struct MixedModel {
  private let path: String

  private static func shape() throws -> ExpertShape {
    try ExpertShape(
      hiddenSize: 96, expertIntermediateSize: 64, expertCount: 5, expertsPerToken: 3,
      moeLayers: 0..<4, modelGroupCount: 1)
  }

  /// Layers 0 and 3 mix formats, layer 1 is plain, layer 2 is layer 1 merged.
  init() throws {
    let formats: [(ElementFormat, ElementFormat, ElementFormat)] = [
      (.f32, .q8_0, .f16), (.q4_0, .q4_0, .q8_0), (.q4_0, .q4_0, .q8_0), (.q5_0, .bf16, .q5_1),
    ]
    var random = SeededGenerator(seed: 77)
    var blueprint = GGUFBlueprint()
    blueprint.set("general.architecture", string: "deepseek2")
    var data: [[UInt8]] = []
    for (layer, format) in formats.enumerated() {
      let prefix = "blk.\(layer).ffn_"
      let matrices = [(format.0, 64, 96), (format.1, 64, 96), (format.2, 96, 64)]
      var stacks = matrices.map { format, rows, columns in
        (0..<5).map { _ in random.rows(format, count: rows, columns: columns) }
      }
      if layer == 2 {
        let plain = data[data.count - 3..<data.count].map { $0 }
        stacks = plain.map { $0.pieces(5) }
        blueprint.add(prefix + "gate_up_exps.weight", format.0, [5, 128, 96])
        blueprint.add(prefix + "down_exps.weight", format.2, [5, 96, 64])
        data.append(zip(stacks[0], stacks[1]).flatMap { $0 + $1 })
        data.append(stacks[2].flatMap { $0 })
        continue
      }
      for (index, name) in ["gate", "up", "down"].enumerated() {
        let (format, rows, columns) = matrices[index]
        blueprint.add(prefix + name + "_exps.weight", format, [5, rows, columns])
        data.append(stacks[index].flatMap { $0 })
      }
    }
    path = NSTemporaryDirectory() + "conclave-mixed-\(UUID().uuidString).gguf"
    var writer = try GGUFWriter(blueprint, to: path)
    for bytes in data { try writer.write(bytes.span) }
    try writer.finish()
  }

  func catalog() throws -> ExpertCatalog {
    try ExpertCatalog(archive: .open(path), shape: Self.shape())
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}

extension SeededGenerator {
  /// Rows of a format with moderate values: random codes, scales near a sixteenth.
  fileprivate mutating func rows(_ format: ElementFormat, count: Int, columns: Int) -> [UInt8] {
    let elements = count * columns
    switch format {
    case .f32: return (0..<elements).flatMap { _ in little(value().bitPattern, 4) }
    case .bf16: return (0..<elements).flatMap { _ in little(value().bitPattern >> 16, 2) }
    case .f16: return (0..<elements).flatMap { _ in half() }
    default:
      let affine = format == .q5_1
      return (0..<elements / 32).flatMap { _ in
        let codes = (0..<format.blockByteCount - (affine ? 4 : 2)).map { _ in
          UInt8.random(in: 0...255, using: &self)
        }
        return (affine ? half() + half() : half()) + codes
      }
    }
  }

  private mutating func value() -> Float { Float.random(in: -0.2...0.2, using: &self) }

  private mutating func half() -> [UInt8] {
    little(0x1c00 | UInt32.random(in: 0...1023, using: &self), 2)
  }

  private func little(_ value: UInt32, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
  }
}

extension [UInt8] {
  fileprivate func pieces(_ count: Int) -> [[UInt8]] {
    let size = self.count / count
    return (0..<count).map { Array(self[$0 * size..<($0 + 1) * size]) }
  }
}
