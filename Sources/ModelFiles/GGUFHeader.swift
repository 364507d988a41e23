internal import Tensors

/// What stands before the data of one GGUF file: metadata and the table of tensors.
///
/// - Source: the GGUF specification, versions 2 and 3, little-endian.
struct GGUFHeader {
  let metadata: Metadata
  let tensors: [TensorRecord]
  /// Where the data starts; the header is everything before it.
  let dataStart: Int

  /// Reads the header of `file`, which is part number `part` of its model.
  init(_ file: InputFile, part: Int = 0) throws(ModelFileError) {
    var reader = HeaderReader(file)
    try reader.readMagicAndVersion()
    let tensorCount = try reader.count(ofAtLeast: 24, "the tensor count")
    let keyCount = try reader.count(ofAtLeast: 13, "the key-value count")
    metadata = try reader.readMetadata(count: keyCount)
    let alignment = try Self.alignment(metadata)
    let infos = try reader.readTensorInfos(count: tensorCount)

    let padded = reader.offset.addingReportingOverflow(alignment - 1)
    dataStart = padded.partialValue & ~(alignment - 1)
    guard infos.isEmpty || dataStart <= file.byteCount else {
      throw ModelFileError(
        file: file.path, byte: reader.offset,
        "the data would start at byte \(dataStart), but the file has \(file.byteCount) bytes",
        remedy: Remedy.downloadAgain)
    }
    tensors = try infos.placed(in: file, part: part, dataStart: dataStart, alignment: alignment)
  }

  private static func alignment(_ metadata: Metadata) throws(ModelFileError) -> Int {
    let key = "general.alignment"
    guard let alignment = try metadata.integer(ifPresent: key) else { return 32 }
    guard alignment > 0, alignment <= 1 << 32, alignment.nonzeroBitCount == 1 else {
      throw metadata.error(key, "is \(alignment), not a power of two")
    }
    return alignment
  }
}

/// An entry of the tensor table, before it is known where the data starts.
private struct TensorInfo {
  let name: String
  let format: ElementFormat
  let shape: [Int]
  let byteCount: Int
  let offset: UInt64
  /// Where the entry stands in the file.
  let place: Int
}

extension HeaderReader {
  fileprivate mutating func readMagicAndVersion() throws(ModelFileError) {
    guard file.byteCount > 0 else {
      throw ModelFileError(
        file: file.path, "the file is empty", remedy: Remedy.downloadAgain)
    }
    let magic = try integer(UInt32.self, "the magic number")
    guard magic == 0x4655_4747 else {
      throw ModelFileError(
        file: file.path, byte: 0, "this is no GGUF file",
        remedy: "give a .gguf file, or a folder with config.json and safetensors")
    }
    let place = offset
    let version = try integer(UInt32.self, "the version")
    guard version != 2 && version != 3 else { return }
    if version.byteSwapped == 2 || version.byteSwapped == 3 {
      throw ModelFileError(
        file: file.path, byte: place, "the file is big-endian",
        remedy: "convert it for little-endian machines")
    }
    throw ModelFileError(
      file: file.path, byte: place,
      "GGUF version \(version) is not supported (this build reads 2 and 3)",
      remedy: Remedy.convertAgain)
  }

  fileprivate mutating func readMetadata(count: Int) throws(ModelFileError) -> Metadata {
    var metadata = Metadata(file: file.path)
    for _ in 0..<count {
      let place = offset
      let key = try readName("key", limit: 65535)
      let value = try readValue(readType(of: key), key)
      guard metadata.insert(key, value, at: place) else {
        throw ModelFileError(
          file: file.path, byte: place, "the key \(quoted(key)) appears twice",
          remedy: Remedy.convertAgain)
      }
    }
    return metadata
  }

  private mutating func readName(
    _ kind: String, limit: Int
  ) throws(ModelFileError) -> String {
    let place = offset
    let bytes = try string("a \(kind)'s name")
    guard !bytes.isEmpty, bytes.count <= limit, let name = String(validating: bytes, as: UTF8.self)
    else {
      throw ModelFileError(
        file: file.path, byte: place,
        "a \(kind)'s name has \(bytes.count) bytes or is not UTF-8 (limit \(limit) bytes)",
        remedy: Remedy.convertAgain)
    }
    return name
  }

  private mutating func readType(of key: String) throws(ModelFileError) -> MetadataType {
    let place = offset
    let number = try integer(UInt32.self, "the type of \(quoted(key))")
    guard let type = MetadataType(rawValue: number) else {
      throw ModelFileError(
        file: file.path, byte: place, "\(quoted(key)) has the unknown value type \(number)",
        remedy: Remedy.convertAgain)
    }
    return type
  }

  private mutating func readValue(
    _ type: MetadataType, _ key: String, depth: Int = 0
  ) throws(ModelFileError) -> MetadataValue {
    switch type {
    case .string: .string(try string(quoted(key)))
    case .array: try readArray(key, depth: depth + 1)
    default: MetadataValue(type, bits: try readBits(type, key))
    }
  }

  private mutating func readBits(
    _ type: MetadataType, _ key: String
  ) throws(ModelFileError) -> UInt64 {
    switch type.byteCount {
    case 1: UInt64(try integer(UInt8.self, quoted(key)))
    case 2: UInt64(try integer(UInt16.self, quoted(key)))
    case 4: UInt64(try integer(UInt32.self, quoted(key)))
    default: try integer(UInt64.self, quoted(key))
    }
  }

  private mutating func readArray(
    _ key: String, depth: Int
  ) throws(ModelFileError) -> MetadataValue {
    guard depth <= 4 else { throw error("\(quoted(key)) nests arrays more than 4 deep") }
    let type = try readType(of: key)
    let count = try count(ofAtLeast: type.byteCount, "the length of \(quoted(key))")
    switch type {
    case .string:
      return .strings(try readStrings(count, key))
    case .array:
      var values: [MetadataValue] = []
      for _ in 0..<count { values.append(try readArray(key, depth: depth + 1)) }
      return .array(values)
    default:
      var bytes: [UInt8] = []
      bytes.reserveCapacity(count * type.byteCount)
      try append(count * type.byteCount, to: &bytes, quoted(key))
      return .numbers(NumberArray(type: type, bytes: bytes))
    }
  }

  private mutating func readStrings(
    _ count: Int, _ key: String
  ) throws(ModelFileError) -> StringArray {
    var strings = StringArray()
    strings.reserve(count: count)
    for _ in 0..<count {
      let length = try self.count(ofAtLeast: 1, "the length of a string of \(quoted(key))")
      try strings.append { bytes throws(ModelFileError) in
        try append(length, to: &bytes, quoted(key))
      }
    }
    return strings
  }

  fileprivate mutating func readTensorInfos(
    count: Int
  ) throws(ModelFileError) -> [TensorInfo] {
    var infos: [TensorInfo] = []
    infos.reserveCapacity(count)
    for _ in 0..<count { infos.append(try readTensorInfo()) }
    return infos
  }

  private mutating func readTensorInfo() throws(ModelFileError) -> TensorInfo {
    let place = offset
    func wrong(_ problem: String) -> ModelFileError {
      ModelFileError(file: file.path, byte: place, problem, remedy: Remedy.convertAgain)
    }
    let name = try readName("tensor", limit: 63)
    let dimensions = try integer(UInt32.self, "the table of tensors")
    guard (1...4).contains(dimensions) else {
      throw wrong("tensor \(quoted(name)) has \(dimensions) dimensions (1 to 4 are possible)")
    }
    var shape: [Int] = []
    for _ in 0..<dimensions {
      let length = try integer(UInt64.self, "the table of tensors")
      guard let length = Int(exactly: length), length > 0 else {
        throw wrong("tensor \(quoted(name)) has the impossible dimension \(length)")
      }
      shape.insert(length, at: 0)
    }
    let number = try integer(UInt32.self, "the table of tensors")
    guard let format = ElementFormat(rawValue: number), format != .f8E4M3 else {
      throw wrong(
        "tensor \(quoted(name)) has the type \(number), which this build does not read")
    }
    guard let byteCount = tensorByteCount(format, shape: shape) else {
      throw wrong(
        "tensor \(quoted(name)) cannot have the shape \(shape): rows of \(format.name) are whole"
          + " blocks of \(format.blockLength), and sizes fit 63 bits")
    }
    let offset = try integer(UInt64.self, "the table of tensors")
    return TensorInfo(
      name: name, format: format, shape: shape, byteCount: byteCount, offset: offset, place: place)
  }
}

extension [TensorInfo] {
  /// The records, once every tensor is known to lie whole and alone in the file.
  fileprivate func placed(
    in file: InputFile, part: Int, dataStart: Int, alignment: Int
  ) throws(ModelFileError) -> [TensorRecord] {
    var records: [TensorRecord] = []
    records.reserveCapacity(count)
    for info in self {
      func wrong(_ problem: String, _ remedy: String) -> ModelFileError {
        ModelFileError(
          file: file.path, byte: info.place, "tensor \(quoted(info.name)) \(problem)",
          remedy: remedy)
      }
      guard info.offset % UInt64(alignment) == 0 else {
        throw wrong(
          "starts at the offset \(info.offset), not a multiple of \(alignment)",
          Remedy.convertAgain)
      }
      let available = UInt64(file.byteCount - dataStart)
      guard info.offset <= available, UInt64(info.byteCount) <= available - info.offset else {
        throw wrong(
          "needs \(info.byteCount) bytes at the offset \(info.offset), but the data has"
            + " \(available) bytes", Remedy.downloadAgain)
      }
      records.append(
        TensorRecord(
          name: info.name, format: info.format, shape: info.shape, byteCount: info.byteCount,
          part: part, fileOffset: dataStart + Int(info.offset)))
    }
    try refuseOverlaps(records, file: file.path)
    return records
  }
}
