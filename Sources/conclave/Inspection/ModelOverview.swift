import DeepSeek
import Kernels
import ModelFiles
import Planning
import Tensors

/// What `inspect` says about a model: numbers from its files, nothing loaded.
struct ModelOverview {
  let archive: ModelArchive
  /// Nil for a vocabulary-only file.
  let configuration: ModelConfiguration?
  let parts: [Part]

  /// What one part of a model takes.
  struct Part {
    let part: ModelPart
    var tensors = 0
    var parameters = 0
    var bytes = 0
    var formats: [String] = []
  }

  init(_ archive: ModelArchive, _ configuration: ModelConfiguration?) {
    self.archive = archive
    self.configuration = configuration
    var parts = ModelPart.allCases.map { Part(part: $0) }
    for tensor in archive.tensors {
      let part = ModelPart(tensor: tensor.name, layerCount: configuration?.layerCount ?? .max)
      guard let index = parts.firstIndex(where: { $0.part == part }) else { continue }
      parts[index].count(tensor)
    }
    self.parts = parts.filter { $0.tensors > 0 }
  }

  /// Parameters that are used; block scales are not counted.
  var parameters: Int {
    parts.filter { $0.part != .unused }.reduce(0) { $0 + $1.parameters }
  }

  var routed: Part? { parts.first { $0.part == .routedExperts } }

  /// Bytes that the coordinator holds.
  var trunkBytes: Int {
    parts.filter { $0.part != .unused && $0.part != .routedExperts }.reduce(0) { $0 + $1.bytes }
  }

  /// Bytes of one expert in all layers together divided by their number.
  var bytesPerExpert: Int { expertCount > 0 ? (routed?.bytes ?? 0) / expertCount : 0 }

  /// Routed experts of all layers.
  var expertCount: Int { (configuration?.mixture?.expertCount ?? 0) * mixtureLayers }

  var mixtureLayers: Int {
    guard let configuration, let mixture = configuration.mixture else { return 0 }
    return configuration.layerCount - mixture.firstLayer
  }

  /// Parameters that one token uses.
  var activeParameters: Int {
    guard let mixture = configuration?.mixture, mixture.expertCount > 0 else { return parameters }
    let routed = routed?.parameters ?? 0
    return parameters - routed + routed / mixture.expertCount * mixture.expertsPerToken
  }

  /// Bytes of keys and values that one token adds, in all layers.
  func cacheBytesPerToken(_ format: KVFormat) -> Int {
    configuration?.cacheBytesPerToken(format) ?? 0
  }
}

extension ModelOverview.Part {
  fileprivate mutating func count(_ tensor: TensorRecord) {
    tensors += 1
    bytes += tensor.byteCount
    guard !tensor.name.hasSuffix("_scale_inv") else { return }
    parameters += tensor.shape.reduce(1, *)
    if !formats.contains(tensor.format.name) { formats.append(tensor.format.name) }
  }
}
