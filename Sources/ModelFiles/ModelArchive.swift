/// A model on disk: what its files say about it, and its tensors' bytes on demand.
///
/// Opening reads headers only. Nothing is mapped: tensor bytes are read when asked for, so an
/// open archive takes memory for its metadata and nothing else. Safe to use from any thread.
public struct ModelArchive: Sendable {
  /// The path it was opened with.
  public let path: String
  /// What kind of model the files say they hold.
  public let architecture: ModelArchitecture
  /// The container and what it says beside tensors.
  public let container: ModelContainer
  /// All tensors, in the files' order.
  public let tensors: [TensorRecord]
  /// A fingerprint, equal for equal files under any name.
  public let digest: ModelDigest

  private let files: [InputFile]
  private let places: [String: Int]

  /// Opens a GGUF file (the first, if the model is split) or a Hugging Face folder.
  public static func open(_ path: String) throws(ModelFileError) -> ModelArchive {
    try InputFile.isFolder(path) ? ModelArchive(folder: path) : ModelArchive(gguf: path)
  }

  private init(gguf path: String) throws(ModelFileError) {
    let parts = try GGUFParts(path: path)
    try self.init(
      path: path, architecture: ModelArchitecture(parts.metadata),
      container: .gguf(parts.metadata), tensors: parts.headers.flatMap(\.tensors),
      files: parts.files, headers: parts.headers.map(\.dataStart))
  }

  private init(folder path: String) throws(ModelFileError) {
    let folder = try HuggingFaceFolder(path: path)
    let architecture = try ModelArchitecture(folder)
    let shards = try SafetensorsShards(folder: path)
    try self.init(
      path: path, architecture: architecture, container: .huggingFace(folder),
      tensors: shards.tensors, files: shards.files, headers: shards.headers)
  }

  private init(
    path: String, architecture: ModelArchitecture, container: ModelContainer,
    tensors: [TensorRecord], files: [InputFile], headers: [Int]
  ) throws(ModelFileError) {
    self.path = path
    self.architecture = architecture
    self.container = container
    self.tensors = tensors
    self.files = files
    var places: [String: Int] = Dictionary(minimumCapacity: tensors.count)
    for (index, tensor) in tensors.enumerated()
    where places.updateValue(index, forKey: tensor.name) != nil {
      throw ModelFileError(
        file: files[tensor.part].path, "tensor \(quoted(tensor.name)) appears twice",
        remedy: Remedy.convertAgain)
    }
    self.places = places
    digest = try ModelDigest(
      config: container.configFile, files: files, headers: headers, tensors: tensors)
  }

  /// The tensor of that name, or nil.
  public func tensor(named name: String) -> TensorRecord? { places[name].map { tensors[$0] } }

  /// Whether the model has a tokenizer but no weights.
  public var isVocabularyOnly: Bool { tensors.isEmpty }

  /// Bytes of all tensors.
  public var tensorByteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

  /// Bytes of all files together.
  public var fileByteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

  /// Whether every byte that is used is compared with a manifest first.
  public var isVerified: Bool { files.allSatisfy(\.isVerified) }

  /// The files' paths, in the order of their part numbers.
  public var filePaths: [String] { files.map(\.path) }

  /// Fills `target` with `range` of a tensor's bytes, counted from the tensor's first.
  ///
  /// - Precondition: `target` has as many bytes as `range`, which lies within the tensor.
  public func read(
    _ tensor: TensorRecord, bytes range: Range<Int>, into target: inout MutableRawSpan
  ) throws(ModelFileError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= tensor.byteCount)
    precondition(target.byteCount == range.count)
    try files[tensor.part].read(at: tensor.fileOffset + range.lowerBound, into: &target)
  }

  /// Fills `target` with a tensor's bytes from `start` on, counted from the tensor's first.
  ///
  /// - Precondition: the bytes lie within the tensor.
  public func read(
    _ tensor: TensorRecord, from start: Int, into target: inout MutableSpan<UInt8>
  ) throws(ModelFileError) {
    var bytes = unsafe target.mutableBytes
    try read(tensor, bytes: start..<start + bytes.byteCount, into: &bytes)
  }

  /// A part of a tensor's bytes.
  public func bytes(
    of tensor: TensorRecord, _ range: Range<Int>
  ) throws(ModelFileError) -> [UInt8] {
    precondition(range.lowerBound >= 0 && range.upperBound <= tensor.byteCount)
    return try files[tensor.part].bytes(
      at: tensor.fileOffset + range.lowerBound, count: range.count)
  }

  /// Whole rows of a tensor, counted over all dimensions but the last.
  public func bytes(
    of tensor: TensorRecord, rows: Range<Int>
  ) throws(ModelFileError) -> [UInt8] {
    let size = tensor.rowByteCount
    return try bytes(of: tensor, rows.lowerBound * size..<rows.upperBound * size)
  }
}

/// How a model is stored, with what its container says beside tensors.
public enum ModelContainer: Sendable {
  /// One GGUF file or several; the metadata of the first.
  case gguf(Metadata)
  /// A folder with config.json and safetensors.
  case huggingFace(HuggingFaceFolder)

  fileprivate var configFile: InputFile? {
    guard case .huggingFace(let folder) = self else { return nil }
    return folder.configFile
  }
}
