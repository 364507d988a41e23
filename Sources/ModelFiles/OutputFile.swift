#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A new file that takes its name only when it is complete.
///
/// A link to a file stays, and the file that it leads to is replaced.
final class OutputFile {
  private let path: String  // as it was given, for messages
  private let target: String
  private let partialPath: String
  private var descriptor: Int32
  private var offset = 0

  /// Creates `PATH.partial`, after asking whether the disk has room for `byteCount` bytes.
  ///
  /// - Throws: Also when a device, a pipe or a folder has that name.
  init(path: String, byteCount: Int) throws(ModelFileError) {
    self.path = path
    target = try Self.target(of: path)
    partialPath = target + ".partial"
    descriptor = unsafe open(partialPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure("cannot create", remedy: "check the folder") }
    var space = statvfs()
    guard unsafe fstatvfs(descriptor, &space) == 0 else { return }
    let available = UInt(space.f_bavail).multipliedReportingOverflow(by: UInt(space.f_frsize))
    guard available.overflow || UInt(byteCount) <= available.partialValue else {
      throw ModelFileError(
        file: path, "needs \(byteCount) bytes, but the disk has \(available.partialValue) left",
        remedy: "free some space, or write to another disk")
    }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unsafe unlink(partialPath)
  }

  func write(_ bytes: Span<UInt8>) throws(ModelFileError) {
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { bytes in
        unsafe pwrite(
          descriptor, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done,
          off_t(offset + done))
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure("cannot write", remedy: "check the disk's space") }
      done += count
    }
    offset += done
  }

  func finish() throws(ModelFileError) {
    let status = close(descriptor)
    descriptor = -1
    guard status == 0, unsafe rename(partialPath, target) == 0 else {
      throw failure("cannot complete", remedy: "check the disk's space")
    }
  }

  /// The file to make or to replace, behind all links.
  private static func target(of path: String) throws(ModelFileError) -> String {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return path }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw ModelFileError(
        file: path, "this is no regular file, and is not replaced", remedy: "give another name")
    }
    guard let file = unsafe realpath(path, nil) else { return path }
    defer { unsafe free(file) }
    return unsafe String(cString: file)
  }

  private func failure(_ problem: String, remedy: String) -> ModelFileError {
    let reason = unsafe String(cString: strerror(errno))
    return ModelFileError(file: path, "\(problem): \(reason)", remedy: remedy)
  }
}
