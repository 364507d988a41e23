/// The safetensors files of a folder and their tensors.
struct SafetensorsShards {
  private(set) var files: [InputFile] = []
  private(set) var headers: [Int] = []
  private(set) var tensors: [TensorRecord] = []

  init(folder: String) throws(ModelFileError) {
    let index = folder + "/model.safetensors.index.json"
    guard InputFile.exists(index) else {
      tensors = try add(try Self.singleFile(folder)).tensors
      return
    }
    for shard in try Shard.all(index: index) {
      let header = try add(try InputFile(path: "\(folder)/\(shard.fileName)"))
      let names = Set(header.tensors.map(\.name) + header.otherNames)
      if let missing = shard.tensorNames.first(where: { !names.contains($0) }) {
        throw ModelFileError(
          file: index, "\(quoted(shard.fileName)) does not hold tensor \(quoted(missing))",
          remedy: Remedy.downloadAgain)
      }
      let wanted = Set(shard.tensorNames)
      tensors += header.tensors.filter { wanted.contains($0.name) }
    }
  }

  private mutating func add(_ file: InputFile) throws(ModelFileError) -> SafetensorsHeader {
    let header = try SafetensorsHeader(file, part: files.count)
    files.append(file)
    headers.append(header.dataStart)
    return header
  }

  private static func singleFile(_ folder: String) throws(ModelFileError) -> InputFile {
    let path = folder + "/model.safetensors"
    guard InputFile.exists(path) else {
      throw ModelFileError(
        file: folder, "neither model.safetensors nor model.safetensors.index.json is there",
        remedy: "download the safetensors files (pickled .bin weights are not read)")
    }
    return try InputFile(path: path)
  }
}

/// One file of an index's weight_map and the tensors that it holds.
private struct Shard {
  let fileName: String
  var tensorNames: [String] = []

  private static let indexLimit = 256 << 20

  /// All shards, in the order of their names.
  static func all(index path: String) throws(ModelFileError) -> [Shard] {
    let file = try InputFile(path: path)
    let json = try JSONValue(parsing: try file.contents(limit: indexLimit), of: file)
    guard let map = json["weight_map"]?.object, !map.isEmpty else {
      throw ModelFileError(
        file: path, "the weight_map is missing or empty", remedy: Remedy.downloadAgain)
    }
    var shards: [String: Shard] = [:]
    for (tensor, value) in map.lazy.map({ ($0.key, $0.value) }) {
      guard let name = value.string, isPlain(name) else {
        throw ModelFileError(
          file: path,
          "tensor \(quoted(tensor)) lies in \(quoted(value.string ?? "no file")), which is no plain"
            + " file name in this folder", remedy: Remedy.downloadAgain)
      }
      shards[name, default: Shard(fileName: name)].tensorNames.append(tensor)
    }
    return shards.values.sorted { $0.fileName < $1.fileName }
  }

  /// Whether the name can only be a file of the same folder.
  private static func isPlain(_ name: String) -> Bool {
    name.hasSuffix(".safetensors") && !name.utf8.contains(where: { $0 == 0x2F || $0 == 0 })
      && name.utf8.count <= 255
  }
}
