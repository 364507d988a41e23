import DeepSeek
import Foundation
import ModelFiles
import Synchronization
import Tokenization

/// Parsers of model files, through the same door as the command's: a path.
enum ModelFileTargets {
  private static let folder: URL = {
    let shared = URL(filePath: "/dev/shm", directoryHint: .isDirectory)
    let parent =
      FileManager.default.isWritableFile(atPath: shared.path)
      ? shared : FileManager.default.temporaryDirectory
    let folder = parent.appending(
      path: "conclave-fuzz-\(ProcessInfo.processInfo.processIdentifier)")
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }()

  private static let ggufInput = InputForPath(folder.appending(path: "model.gguf"))

  static func gguf(_ bytes: [UInt8]) {
    ggufInput.write(bytes)
    open(ggufInput.path)
  }

  static func manifest(_ bytes: [UInt8]) {
    guard let manifest = FileManifest(bytes: bytes) else { return }
    mustHold(manifest.bytes == bytes, "a manifest has two forms")
  }

  static let shard = FolderTarget(in: folder, name: "model.safetensors")
  static let index = FolderTarget(in: folder, name: "model.safetensors.index.json")
  static let configuration = FolderTarget(in: folder, name: "config.json")
  static let tokenizer = FolderTarget(in: folder, name: "tokenizer.json")

  /// Opens a model and everything that can be made of it without its weights.
  static func open(_ path: String) {
    guard let archive = try? ModelArchive.open(path) else { return }
    _ = try? ModelConfiguration(archive).expertShape()
    for tensor in archive.tensors.prefix(4) where tensor.byteCount > 0 {
      // What the header promised is there.
      let count = min(tensor.byteCount, 64)
      let found = try? archive.bytes(of: tensor, tensor.byteCount - count..<tensor.byteCount)
      mustHold(found?.count == count, "\(tensor.name) lies beyond its file")
    }
    guard let tokenizer = try? Tokenizer(archive) else { return }
    let tokens = tokenizer.encode("Hello, 12345 <|x|> größe!", specials: true, addBOS: true)
    for token in tokens { _ = tokenizer.bytes(of: token) }
  }
}

/// A file that is written again for each input: opening it anew would take longer than most parsers.
final class InputForPath: Sendable {
  let path: String
  private let handle: FileHandle

  init(_ file: URL) {
    path = file.path
    do {
      try Data().write(to: file)
      handle = try FileHandle(forWritingTo: file)
    } catch {
      preconditionFailure("\(path) cannot be written: \(error)")
    }
  }

  func write(_ bytes: [UInt8]) {
    do {
      try handle.truncate(atOffset: 0)
      try handle.write(contentsOf: bytes)
    } catch {
      preconditionFailure("\(path) cannot be written: \(error)")
    }
  }
}

/// A Hugging Face folder of which one file is the input, and the others are good and small.
struct FolderTarget: Sendable {
  private let folder: URL
  private let input: InputForPath

  init(in parent: URL, name: String) {
    folder = parent.appending(path: "with-\(name)")
    let model = FuzzTarget.corpus.deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/models/v2-lite-like")
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let others = [
      "config.json": model.appending(path: "config.json"),
      "model.safetensors": FuzzTarget.corpus.appending(path: "safetensors/several"),
    ]
    for (other, source) in others where other != name {
      try? FileManager.default.copyItem(at: source, to: folder.appending(path: other))
    }
    input = InputForPath(folder.appending(path: name))
  }

  func run(_ bytes: [UInt8]) {
    input.write(bytes)
    ModelFileTargets.open(folder.path)
  }
}
