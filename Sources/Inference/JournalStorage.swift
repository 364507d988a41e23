import Foundation
import Glibc

/// Where a journal's bytes are: a file, or what a test puts in its place.
///
/// Used by one thread at a time.
package protocol JournalStorage: Sendable {
  /// Everything that is stored.
  func read() throws -> [UInt8]
  /// Adds bytes at the end; after an error some of them may be there.
  func append(_ bytes: [UInt8]) throws
  /// Returns when what was added survives a crash.
  func synchronize() throws
  /// Drops everything behind the first `byteCount` bytes.
  func truncate(to byteCount: Int) throws
  /// Puts other contents in place of everything, at once.
  func replace(with bytes: [UInt8]) throws
  /// Puts damaged bytes aside, for people to look at.
  func setAside(_ bytes: [UInt8]) throws
}

/// A file that grows at its end, and belongs to one process at a time.
struct JournalFile: JournalStorage {
  private let url: URL
  private let lock: FileLock

  /// - Throws: `InferenceError.journalFailed` when another process has it.
  init(path: String) throws(InferenceError) {
    url = URL(filePath: path)
    lock = try FileLock(path: path + ".lock")
  }

  func read() throws -> [UInt8] {
    guard FileManager.default.fileExists(atPath: url.path) else { return [] }
    return Array(try Data(contentsOf: url))
  }

  func append(_ bytes: [UInt8]) throws {
    try withHandle { handle in
      try handle.seekToEnd()
      try handle.write(contentsOf: Data(bytes))
    }
  }

  func synchronize() throws { try withHandle { try $0.synchronize() } }

  func truncate(to byteCount: Int) throws {
    try withHandle { handle in
      try handle.truncate(atOffset: UInt64(byteCount))
      try handle.synchronize()
    }
  }

  func replace(with bytes: [UInt8]) throws {
    let next = url.appendingPathExtension("next")
    try write(bytes, to: next)
    guard unsafe rename(next.path, url.path) == 0 else {
      throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: url.path])
    }
    // The new name survives a crash once its folder does.
    let folder = unsafe open(url.deletingLastPathComponent().path, O_RDONLY)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }

  func setAside(_ bytes: [UInt8]) throws {
    try write(bytes, to: url.appendingPathExtension("damaged"))
  }

  private func write(_ bytes: [UInt8], to url: URL) throws {
    guard
      FileManager.default.createFile(
        atPath: url.path, contents: nil, attributes: [.posixPermissions: 0o600])
    else { throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: url.path]) }
    let handle = try FileHandle(forWritingTo: url)
    defer { try? handle.close() }
    try handle.write(contentsOf: Data(bytes))
    try handle.synchronize()
  }

  private func withHandle<Value>(_ body: (FileHandle) throws -> Value) throws -> Value {
    let handle = try FileHandle(forUpdating: url)
    defer { try? handle.close() }
    return try body(handle)
  }
}

/// A file that one process at a time has locked, until it ends, however that happens.
private final class FileLock: Sendable {
  private let descriptor: Int32

  init(path: String) throws(InferenceError) {
    descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      let reason = unsafe String(cString: strerror(errno))
      throw .journalFailed(
        "cannot lock the request journal at \(path): \(reason); check its folder")
    }
    var request = flock()
    request.l_type = Int16(F_WRLCK)
    request.l_whence = Int16(SEEK_SET)
    guard unsafe fcntl(descriptor, F_SETLK, &request) == 0 else {
      close(descriptor)
      throw .journalFailed(
        "another process writes this request journal (it holds \(path)); end that one first, or give"
          + " another --journal")
    }
  }

  deinit { close(descriptor) }
}
