import Foundation
import ModelFiles
import Testing

/// A folder that goes away with its last reference.
final class TemporaryFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "model-files-\(UUID())")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and returns its path.
  @discardableResult
  func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
    let file = path + "/" + name
    try Data(bytes).write(to: URL(filePath: file))
    return file
  }

  /// Links a fixture's files into the folder.
  func link(_ folder: String) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      try FileManager.default.copyItem(atPath: folder + "/" + name, toPath: path + "/" + name)
    }
  }
}

/// The error that opening a file gives, with the folder's path taken out.
func openingError(_ path: String, in folder: String) throws -> String {
  let error = #expect(throws: ModelFileError.self) { try ModelArchive.open(path) }
  return try #require(error).description.replacingOccurrences(of: folder + "/", with: "")
}
