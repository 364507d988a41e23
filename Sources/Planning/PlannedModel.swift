public import DeepSeek
public import Experts
public import Kernels
internal import Tensors

/// A model as far as planning cares: sizes, and what each part has to read and to multiply.
public struct PlannedModel: Sendable {
  /// What people call it.
  public let name: String
  /// Layers.
  public let layerCount: Int
  /// Width of the residual stream.
  public let hiddenSize: Int
  /// Entries of the logits.
  public let vocabularySize: Int
  /// Positions that the model was made for.
  public let contextLength: Int
  /// How layers attend.
  public let attention: AttentionDesign
  /// The experts that workers hold; nil for a dense model.
  public private(set) var experts: ExpertGeometry?
  /// How the shared experts are stored; nil when there are none.
  private(set) var sharedFormats: SharedExperts?
  /// How tokens choose among them; nil for a dense model.
  public let routing: RoutingMethod?
  /// The trunk's parts, each in all layers together.
  public private(set) var parts: [ModelPart: MatrixWork]

  /// Collects the sizes.
  ///
  /// - Parameters:
  ///   - configuration: What the model says about itself.
  ///   - name: What people call it.
  ///   - experts: The routed experts; nil for a dense model.
  ///   - tensors: Every tensor, with its row-major shape.
  init(
    _ configuration: PlannedConfiguration, name: String, experts: ExpertGeometry?,
    tensors: [PlannedTensor]
  ) {
    self.name = name
    self.experts = experts
    sharedFormats = Self.sharedFormats(tensors, experts)
    layerCount = configuration.layerCount
    hiddenSize = configuration.hiddenSize
    vocabularySize = configuration.vocabularySize
    contextLength = configuration.contextLength
    attention = configuration.attention
    routing = configuration.routing
    var parts: [ModelPart: MatrixWork] = [:]
    for tensor in tensors {
      let part = ModelPart(tensor: tensor.name, layerCount: configuration.layerCount)
      guard part != .unused, part != .routedExperts else { continue }
      parts[part, default: MatrixWork()] += tensor.work
    }
    // A head that is the embedding is read like one.
    if parts[.head] == nil { parts[.head] = parts[.embedding] }
    self.parts = parts
  }

  /// The same model with other experts on workers, and what is left in the trunk.
  init(_ model: PlannedModel, experts: ExpertGeometry, parts: [ModelPart: MatrixWork]) {
    self = model
    self.experts = experts
    self.parts = parts
    sharedFormats = nil
  }

  /// The work of a part of the trunk.
  public subscript(_ part: ModelPart) -> MatrixWork { parts[part] ?? MatrixWork() }

  /// Bytes of everything but the routed experts.
  public var trunkByteCount: Int { parts.values.reduce(0) { $0 + $1.byteCount } }

  /// Layers with routed experts.
  public var mixtureLayerCount: Int { experts?.moeLayers.count ?? 0 }

  /// Bytes that one position takes in the caches of all layers.
  public func cacheBytesPerToken(_ format: KVFormat) -> Int {
    layerCount * CacheLayout(attention, format: format).tile.byteCount / KVTile.positions
  }

  /// The format of keys and values unless another is asked for: as the engine chooses it.
  public var defaultKVFormat: KVFormat {
    self[.attention].integerProducts >= self[.attention].floatProducts ? .float16 : .float32
  }

  /// One routed expert of `layer`.
  func expertWork(_ layer: LayerIndex) -> MatrixWork { work(layer, GroupIndex(0)) }

  /// One expert of a group of `layer`.
  func work(_ layer: LayerIndex, _ group: GroupIndex) -> MatrixWork {
    guard let experts else { return MatrixWork() }
    let formats = experts.formats(layer, group)
    return ExpertProjection.allCases.reduce(MatrixWork()) { sum, projection in
      let format = formats[projection]
      return sum
        + MatrixWork(
          format, rows: experts.rows(of: projection, group),
          columns: experts.columns(of: projection, group),
          takesBlocks: format.activationFormat == .int8Blocks)
    }
  }
}

/// The sizes that a file's configuration and a geometry have in common.
struct PlannedConfiguration {
  let layerCount: Int
  let hiddenSize: Int
  let vocabularySize: Int
  let contextLength: Int
  let attention: AttentionDesign
  let routing: RoutingMethod?
}

/// One tensor of a model, wherever it is described.
struct PlannedTensor {
  let name: String
  let format: ElementFormat
  let shape: [Int]  // row-major

  /// What one row costs; the weights of norms and scales of blocks count for next to nothing.
  var work: MatrixWork {
    let columns = shape.last ?? 1
    let rows = shape.dropLast().reduce(1, *)
    return MatrixWork(
      format, rows: rows, columns: columns, takesBlocks: format.activationFormat == .int8Blocks)
  }
}
