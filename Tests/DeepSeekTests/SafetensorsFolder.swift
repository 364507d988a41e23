import Foundation

/// A Hugging Face folder made for one test, removed with the value's last reference.
final class SafetensorsFolder {
  /// One tensor: safetensors' name of its type, its shape, its bytes.
  struct Tensor {
    let type: String
    let shape: [Int]
    let bytes: [UInt8]

    static func floats(_ values: [Float], shape: [Int]) -> Tensor {
      Tensor(
        type: "F32", shape: shape,
        bytes: values.flatMap { value in
          (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
        })
    }
  }

  let path: String

  init(config: [String: Any], tensors: [String: Tensor]) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    path = folder.path
    try JSONSerialization.data(withJSONObject: config).write(
      to: folder.appending(path: "config.json"))
    var header: [String: Any] = [:]
    var data: [UInt8] = []
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      header[name] = [
        "dtype": tensor.type, "shape": tensor.shape,
        "data_offsets": [data.count, data.count + tensor.bytes.count],
      ]
      data += tensor.bytes
    }
    var text = [UInt8](try JSONSerialization.data(withJSONObject: header))
    while text.count % 8 != 0 { text.append(0x20) }
    let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    try Data(length + text + data).write(to: folder.appending(path: "model.safetensors"))
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
