import Foundation
import Glibc

/// Files that options name for results, such as `--html`.
///
/// A rename would put a file in the place of a link, a device or a pipe: only a file is replaced.
enum ResultFile {
  /// Fails when nothing could be written there, before the work is done.
  static func check(_ path: String) throws {
    guard !isOfKind(S_IFDIR, path) else {
      throw CommandFailure("\(path): cannot be written: it is a folder; name a file in it")
    }
    let manager = FileManager.default
    let isWritable =
      if let file = replaceable(path) {
        manager.isWritableFile(atPath: URL(filePath: file).deletingLastPathComponent().path)
      } else {
        // Where a link leads to nothing, the file is made.
        manager.isWritableFile(atPath: path) || !manager.fileExists(atPath: path)
      }
    guard isWritable else { throw CommandFailure("\(path): cannot be written; check its folder") }
  }

  /// Writes a file whole or not at all, and into a device or a pipe as it comes.
  ///
  /// - Throws: One line that names the file.
  static func write(_ data: Data, to path: String) throws {
    do {
      if let file = replaceable(path) {
        try data.write(to: URL(filePath: file), options: .atomic)
      } else {
        try pour(data, into: path)
      }
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure("\(path): cannot be written; check its folder and its disk")
    }
  }

  /// Whether there is a file, and neither a device, a pipe nor a folder.
  static func isFile(_ path: String) -> Bool { isOfKind(S_IFREG, path) }

  /// The file to make or to replace, behind all links; nil for a device, a pipe, and a link to nothing.
  private static func replaceable(_ path: String) -> String? {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return path }
    guard isFile(path), let file = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(file) }
    return unsafe String(cString: file)
  }

  private static func isOfKind(_ kind: mode_t, _ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == kind
  }

  private static func pour(_ data: Data, into path: String) throws {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      let reason = unsafe String(cString: strerror(errno))
      throw CommandFailure("\(path): cannot be written: \(reason)")
    }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    try file.write(contentsOf: data)
    try file.close()
  }
}
