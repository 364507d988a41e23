internal import Experts
internal import Tensors

extension PlannedModel {
  /// The same model with its shared experts on workers; nil when it has none, or workers cannot hold
  /// them.
  package var movingShared: PlannedModel? {
    guard let routed = experts, let shared = sharedFormats,
      let experts = try? ExpertGeometry(
        shape: routed.shape, layerFormats: routed.layerFormats, shared: shared)
    else { return nil }
    var parts = parts
    parts[.sharedExperts] = nil
    return PlannedModel(self, experts: experts, parts: parts)
  }

  /// The shared experts of every layer, from the tensors of a file or a geometry.
  static func sharedFormats(
    _ tensors: [PlannedTensor], _ experts: ExpertGeometry?
  ) -> SharedExperts? {
    guard let experts else { return nil }
    var found: [Int: [ExpertProjection: PlannedTensor]] = [:]
    for tensor in tensors where tensor.shape.count == 2 && !tensor.name.hasSuffix("_scale_inv") {
      guard
        ModelPart(tensor: tensor.name, layerCount: experts.moeLayers.upperBound) == .sharedExperts,
        let layer = tensor.name.split(separator: ".").lazy.compactMap({ Int($0) }).first,
        let projection = ExpertProjection.allCases.first(where: {
          tensor.name.contains("\($0)_shexp") || tensor.name.contains("\($0)_proj")
        })
      else { continue }
      found[layer, default: [:]][projection] = tensor
    }
    var formats: [ExpertFormats] = []
    for layer in experts.moeLayers {
      guard let gate = found[layer]?[.gate], let up = found[layer]?[.up],
        let down = found[layer]?[.down]
      else { return nil }
      formats.append(ExpertFormats(gate: gate.format, up: up.format, down: down.format))
    }
    guard let width = found[experts.moeLayers.lowerBound]?[.gate]?.shape.first else { return nil }
    return SharedExperts(intermediateSize: width, layerFormats: formats)
  }

  /// The shared experts of `layer`, where workers hold them.
  func sharedWork(_ layer: LayerIndex) -> MatrixWork {
    guard let group = experts?.sharedGroup else { return MatrixWork() }
    return work(layer, group)
  }
}
