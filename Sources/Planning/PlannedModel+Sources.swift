public import DeepSeek
public import Experts
public import ModelFiles
public import Synthesis
internal import Tensors

extension PlannedModel {
  /// Reads the sizes of a model's files; no weights are read.
  ///
  /// - Throws: `ModelError` or `ExpertError`, one line that names the file and what is wrong.
  public init(_ archive: ModelArchive, rule: RoutingRule = .huggingFace) throws {
    if archive.isVocabularyOnly { throw ModelError.vocabularyOnly(file: archive.path) }
    let configuration = try ModelConfiguration(archive, rule: rule)
    let catalog = try configuration.makeCatalog(archive)
    self.init(
      PlannedConfiguration(
        layerCount: configuration.layerCount, hiddenSize: configuration.hiddenSize,
        vocabularySize: configuration.vocabularySize, contextLength: configuration.contextLength,
        attention: configuration.attention, routing: configuration.mixture?.routing),
      name: archive.path, experts: catalog?.geometry,
      tensors: archive.tensors.map {
        PlannedTensor(name: $0.name, format: $0.format, shape: $0.shape)
      })
  }

  /// Takes the sizes of a public model whose weights are not there.
  ///
  /// - Throws: `ExpertError` when its experts cannot be stored so.
  public init(_ geometry: Geometry, _ quantization: Quantization) throws(ExpertError) {
    var experts: ExpertGeometry?
    if let mixture = geometry.experts {
      experts = try ExpertGeometry(
        shape: ExpertShape(
          hiddenSize: geometry.hiddenSize, expertIntermediateSize: mixture.intermediateSize,
          expertCount: mixture.count, expertsPerToken: mixture.used,
          moeLayers: geometry.denseLayerCount..<geometry.layerCount,
          modelGroupCount: mixture.groups?.count ?? 1),
        layerFormats: geometry.expertFormats(quantization).map {
          ExpertFormats(gate: $0.gate, up: $0.up, down: $0.down)
        })
    }
    self.init(
      PlannedConfiguration(
        layerCount: geometry.layerCount, hiddenSize: geometry.hiddenSize,
        vocabularySize: geometry.vocabularySize, contextLength: geometry.contextLength,
        attention: AttentionDesign(geometry.attention),
        routing: geometry.experts.map(RoutingMethod.init)),
      name: "\(geometry.name), \(quantization.rawValue)", experts: experts,
      tensors: geometry.plans(quantization).map {
        PlannedTensor(name: $0.name, format: $0.format, shape: $0.shape)
      })
  }
}

extension AttentionDesign {
  fileprivate init(_ geometry: AttentionGeometry) {
    switch geometry {
    case .latent(let heads, let queryRank, let rank, let nope, let rope, let value):
      self = .latent(
        LatentAttentionShape(
          headCount: heads, queryLoraRank: queryRank, kvLoraRank: rank, nopeHeadSize: nope,
          ropeHeadSize: rope, valueHeadSize: value))
    case .grouped(let heads, let keyValueHeads, let headSize):
      self = .groupedQuery(
        GroupedQueryShape(
          headCount: heads, kvHeadCount: keyValueHeads, headSize: headSize, pairing: .interleaved))
    }
  }
}

extension RoutingMethod {
  fileprivate init(_ experts: ExpertsGeometry) {
    self.init(scoring: experts.usesSigmoid ? .sigmoid : .softmax)
    guard let groups = experts.groups else { return }
    groupCount = groups.count
    selectedGroupCount = groups.used
    groupScore = experts.usesSigmoid ? .twoBest : .best
  }
}
