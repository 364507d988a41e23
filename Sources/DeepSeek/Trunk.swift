import Kernels
import ModelFiles

/// All weights of a model but its routed experts, and but shared ones that workers compute.
struct Trunk: Sendable {
  let embedding: PackedMatrix  // (vocabulary, hiddenSize)
  let layers: [Layer]
  let head: OutputHead

  /// Checks, reads and packs the weights.
  init(
    _ archive: ModelArchive, model: ModelConfiguration, computesShared: Bool, team: ThreadTeam,
    progress: (Double) -> Void
  ) throws {
    if archive.isVocabularyOnly { throw ModelError.vocabularyOnly(file: archive.path) }
    var loader = WeightLoader(archive, arena: WeightArena())
    let names = loader.names
    if let name = names.unsupported.first(where: loader.has) {
      throw ModelError.unsupportedTensor(file: archive.path, name: name)
    }
    let (rows, columns) = (model.vocabularySize, model.hiddenSize)
    embedding = try loader.matrix(names.embedding, rows: rows, columns: columns)
    head = OutputHead(
      norm: try loader.vector(names.finalNorm, count: columns), epsilon: model.normEpsilon,
      matrix: model.tiesEmbeddings
        ? embedding : try loader.matrix(names.head, rows: rows, columns: columns))
    var layers: [Layer] = []
    for index in 0..<model.layerCount {
      layers.append(
        try Layer(&loader, index: index, model: model, computesShared: computesShared))
    }
    self.layers = layers
    try loader.load(team: team, progress: progress)
  }

  /// The format of keys and values that costs no more than the weights do already: as computed
  /// where attention reads floats, halves where it reads blocks of 8 bits.
  var kvFormat: KVFormat {
    let readsFloats = layers.contains { $0.attentionFormats.contains(.floats) }
    return readsFloats ? .float32 : .float16
  }
}
