import Foundation

/// A small text file that belongs to its owner alone (mode 600).
enum PrivateFile {
  /// Reads the file.
  ///
  /// The mode is that of the file that is open, so that nobody swaps it between check and use.
  /// - Throws: `KeyError` that says who else can read the file, or what it is instead.
  static func read(_ path: String, maximumByteCount: Int) throws(KeyError) -> String {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let reason = unsafe String(cString: strerror(errno))
      throw KeyError("\(path): the keys cannot be read: \(reason)")
    }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw KeyError("\(path): this is no file of keys")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw KeyError(
        "\(path): others on this machine can read or change it (mode "
          + "\(String(status.st_mode & 0o777, radix: 8))); run chmod 600 on it")
    }
    guard let data = try? file.read(upToCount: maximumByteCount + 1) ?? Data(),
      let text = String(data: data, encoding: .utf8), data.count <= maximumByteCount
    else { throw KeyError("\(path): this is no file of keys") }
    return text
  }

  /// Writes the file whole or not at all; a link to a file stays, and that file is replaced.
  ///
  /// - Throws: `KeyError` when it cannot be written, or is there and shall not be replaced.
  static func write(_ text: String, to path: String, replaces: Bool) throws(KeyError) {
    let place = replaces ? target(of: path) : path
    let temporary = "\(place).\(UUID().uuidString)"
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      let reason = unsafe String(cString: strerror(errno))
      throw KeyError("\(path) cannot be written: \(reason)")
    }
    defer { _ = unsafe unlink(temporary) }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    do {
      try file.write(contentsOf: Data(text.utf8))
      try file.synchronize()
    } catch {
      throw KeyError("\(path) cannot be written; check its disk")
    }
    // A link fails where a file is, and a rename does not.
    let result = unsafe replaces ? rename(temporary, place) : link(temporary, place)
    guard result == 0 else {
      let reason =
        unsafe errno == EEXIST
        ? "there is such a file already; a key is never overwritten: give another name, or remove it"
        : "it cannot be written: \(String(cString: strerror(errno)))"
      throw KeyError("\(path): \(reason)")
    }
  }

  /// The file that a path leads to behind all links, and the path itself where there is none.
  private static func target(of path: String) -> String {
    URL(filePath: path).resolvingSymlinksInPath().path
  }

  /// Changes whenever the file does.
  struct Stamp: Equatable, Sendable {
    let number: UInt64
    let size: Int
    let seconds: Int
    let nanoseconds: Int
    let mode: UInt32
  }

  /// The file's stamp; nil when there is no file.
  static func stamp(of path: String) -> Stamp? {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return nil }
    return Stamp(
      number: UInt64(status.st_ino), size: Int(status.st_size), seconds: status.st_mtim.tv_sec,
      nanoseconds: status.st_mtim.tv_nsec, mode: status.st_mode)
  }
}
