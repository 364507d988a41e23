internal import Tensors

/// The header of one safetensors file.
///
/// - Source: the safetensors format; dtypes that no model of this family computes with are
///   checked and left out.
struct SafetensorsHeader {
  let tensors: [TensorRecord]
  /// The names of tensors that were left out.
  let otherNames: [String]
  /// Where the data starts.
  let dataStart: Int

  private static let headerLimit = 100_000_000

  init(_ file: InputFile, part: Int = 0) throws(ModelFileError) {
    dataStart = try Self.dataStart(file)
    let text = try file.bytes(at: 8, count: dataStart - 8)
    let json = try JSONValue(parsing: text, of: file, at: 8)
    guard let entries = json.object else {
      throw ModelFileError(
        file: file.path, byte: 8, "the header is no JSON object", remedy: Remedy.downloadAgain)
    }
    var records: [TensorRecord] = []
    var others: [TensorRecord] = []
    records.reserveCapacity(entries.count)
    for entry in entries where entry.key != "__metadata__" {
      let place = SafetensorsEntry(name: entry.key, json: entry.value, file: file)
      let record = try place.record(part: part, dataStart: dataStart)
      if place.isReadable { records.append(record) } else { others.append(record) }
    }
    try refuseOverlaps(records + others, file: file.path)
    tensors = records
    otherNames = others.map(\.name)
  }

  private static func dataStart(_ file: InputFile) throws(ModelFileError) -> Int {
    guard file.byteCount > 0 else {
      throw ModelFileError(file: file.path, "the file is empty", remedy: Remedy.downloadAgain)
    }
    var reader = HeaderReader(file)
    let length = try reader.count(ofAtLeast: 1, "the header's length")
    guard length <= headerLimit else {
      throw ModelFileError(
        file: file.path, byte: 0, "the header has \(length) bytes (limit \(headerLimit))",
        remedy: Remedy.convertAgain)
    }
    return 8 + length
  }
}

private struct SafetensorsEntry {
  let name: String
  let json: JSONValue
  let file: InputFile

  /// Whether the dtype is one that weights have.
  var isReadable: Bool { json["dtype"]?.string.flatMap(Self.format) != nil }

  func record(part: Int, dataStart: Int) throws(ModelFileError) -> TensorRecord {
    let shape = try shape()
    let range = try range(limit: file.byteCount - dataStart)
    let wanted = try byteCount(shape)
    guard range.count == wanted else {
      throw wrong("has \(range.count) bytes, but its shape \(shape) needs \(wanted)")
    }
    return TensorRecord(
      name: name, format: json["dtype"]?.string.flatMap(Self.format) ?? .f32, shape: shape,
      byteCount: wanted, part: part, fileOffset: dataStart + range.lowerBound)
  }

  private func wrong(_ problem: String) -> ModelFileError {
    ModelFileError(
      file: file.path, "tensor \(quoted(name)) \(problem)", remedy: Remedy.downloadAgain)
  }

  private func shape() throws(ModelFileError) -> [Int] {
    guard let values = json["shape"]?.array, values.count <= 8 else {
      throw wrong("has no shape of at most 8 dimensions")
    }
    let shape = values.compactMap { value -> Int? in
      guard case .integer(let length) = value, length >= 0 else { return nil }
      return length
    }
    guard shape.count == values.count else {
      throw wrong("has a dimension that is no natural number")
    }
    return shape
  }

  private func range(limit: Int) throws(ModelFileError) -> Range<Int> {
    guard let offsets = json["data_offsets"]?.array, offsets.count == 2,
      case .integer(let begin) = offsets[0], case .integer(let end) = offsets[1]
    else { throw wrong("has no data_offsets of two integers") }
    guard begin >= 0, end >= begin else { throw wrong("ends before it begins (\(begin), \(end))") }
    guard end <= limit else {
      throw wrong("ends at byte \(end) of the data, which has \(limit) bytes")
    }
    return begin..<end
  }

  private func byteCount(_ shape: [Int]) throws(ModelFileError) -> Int {
    guard let dtype = json["dtype"]?.string, let size = Self.byteCounts[dtype] else {
      throw wrong(
        "has the dtype \(quoted(json["dtype"]?.string ?? "")), which this build does not read")
    }
    // F8_E4M3 counts elements, each one byte.
    guard let count = tensorByteCount(.f8E4M3, shape: shape) else {
      throw wrong("is too large: \(shape)")
    }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
    guard !overflow else { throw wrong("is too large: \(shape)") }
    return bytes
  }

  private static func format(_ dtype: String) -> ElementFormat? {
    switch dtype {
    case "F32": .f32
    case "F16": .f16
    case "BF16": .bf16
    case "F8_E4M3": .f8E4M3
    default: nil
    }
  }

  private static let byteCounts = [
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4,
    "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
  ]
}

extension JSONValue {
  /// Reads JSON that starts at `offset` of a file.
  init(parsing text: [UInt8], of file: InputFile, at offset: Int = 0) throws(ModelFileError) {
    do throws(JSONError) {
      self = try JSONValue(parsing: text)
    } catch {
      throw ModelFileError(
        file: file.path, byte: offset + error.byte, error.problem, remedy: Remedy.downloadAgain)
    }
  }
}
