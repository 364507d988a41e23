/// The headers of a GGUF model that is one file or several, `BASE-00001-of-00003.gguf` and so on.
struct GGUFParts {
  private(set) var files: [InputFile]
  private(set) var headers: [GGUFHeader]

  /// Opens the file and, when it is the first of several, the others beside it.
  init(path: String) throws(ModelFileError) {
    let file = try InputFile(path: path)
    let first = try GGUFHeader(file)
    files = [file]
    headers = [first]
    let count = try first.metadata.integer(ifPresent: "split.count") ?? 1
    let number = try first.metadata.integer(ifPresent: "split.no") ?? 0
    guard count != 1 || number != 0 else { return }
    try addOthers(path: path, count: count, number: number)
    try checkTensorCount()
  }

  /// The metadata, which is whole in the first part only.
  var metadata: Metadata { headers[0].metadata }

  private mutating func addOthers(
    path: String, count: Int, number: Int
  ) throws(ModelFileError) {
    guard let name = SplitName(path) else {
      throw metadata.error(
        "split.count", "is \(count), but the file's name has no part numbers",
        remedy: "name the parts BASE-00001-of-\(padded(count)).gguf and so on")
    }
    guard number == 0, name.number == 1 else {
      throw ModelFileError(
        file: path, "this is not the first part of the model",
        remedy: "open \(name.path(1))")
    }
    guard count > 0, count == name.count else {
      throw metadata.error(
        "split.count", "is \(count), but the file's name says \(name.count)",
        remedy: Remedy.downloadAgain)
    }
    for part in 1..<count { try add(name.path(part + 1), part: part, count: count) }
  }

  private mutating func add(
    _ path: String, part: Int, count: Int
  ) throws(ModelFileError) {
    let file = try InputFile(path: path)
    let header = try GGUFHeader(file, part: part)
    let number = try header.metadata.integer("split.no")
    guard number == part, try header.metadata.integer("split.count") == count else {
      throw header.metadata.error(
        "split.no", "is \(number): this is not part \(part + 1) of \(count)",
        remedy: Remedy.downloadAgain)
    }
    files.append(file)
    headers.append(header)
  }

  private func checkTensorCount() throws(ModelFileError) {
    let key = "split.tensors.count"
    let found = headers.reduce(0) { $0 + $1.tensors.count }
    let wanted = try metadata.integer(key)
    guard found == wanted else {
      throw metadata.error(
        key, "is \(wanted), but the parts hold \(found) tensors", remedy: Remedy.downloadAgain)
    }
  }
}

/// A path of the form `BASE-NNNNN-of-NNNNN.gguf`, numbered from 1.
private struct SplitName {
  let base: String
  let number: Int
  let count: Int

  init?(_ path: String) {
    let tail = Array(path.utf8.suffix(20))
    guard tail.count == 20, tail[0] == UInt8(ascii: "-"), tail[6...9].elementsEqual("-of-".utf8),
      tail[15...].elementsEqual(".gguf".utf8), let number = Self.decimal(tail[1...5]),
      let count = Self.decimal(tail[10...14])
    else { return nil }
    base = String(decoding: path.utf8.dropLast(20), as: UTF8.self)
    self.number = number
    self.count = count
  }

  func path(_ number: Int) -> String { "\(base)-\(padded(number))-of-\(padded(count)).gguf" }

  private static func decimal(_ digits: ArraySlice<UInt8>) -> Int? {
    guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return digits.reduce(0) { 10 * $0 + Int($1) - 0x30 }
  }
}

/// Five digits at least.
private func padded(_ number: Int) -> String {
  let digits = String(number)
  return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
}
