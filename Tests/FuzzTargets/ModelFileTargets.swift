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

  static func gguf(_ bytes: [UInt8]) {
    let path = folder.appending(path: "model.gguf")
    write(bytes, path)
    open(path.path)
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

  static func write(_ bytes: [UInt8], _ path: URL) {
    do { try Data(bytes).write(to: path) } catch {
      preconditionFailure("\(path.path) cannot be written: \(error)")
    }
  }
}

/// A Hugging Face folder of which one file is the input and the others are good.
struct FolderTarget: Sendable {
  private let folder: URL
  private let name: String

  init(in parent: URL, name: String) {
    self.name = name
    folder = parent.appending(path: "with-\(name)")
    let model = FuzzTarget.corpus.deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/models/v2-lite-like")
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let files = (try? FileManager.default.contentsOfDirectory(atPath: model.path)) ?? []
    for file in files where file.hasSuffix(".json") || file.hasSuffix(".safetensors") {
      try? FileManager.default.copyItem(
        at: model.appending(path: file), to: folder.appending(path: file))
    }
  }

  func run(_ bytes: [UInt8]) {
    ModelFileTargets.write(bytes, folder.appending(path: name))
    ModelFileTargets.open(folder.path)
  }
}
