#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A new file that takes its name only when it is complete.
final class OutputFile {
  private let path: String
  private let partialPath: String
  private var descriptor: Int32
  private var offset = 0

  /// Creates `PATH.partial`, after asking whether the disk has room for `byteCount` bytes.
  init(path: String, byteCount: Int) throws(ModelFileError) {
    self.path = path
    partialPath = path + ".partial"
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
    guard status == 0, unsafe rename(partialPath, path) == 0 else {
      throw failure("cannot complete", remedy: "check the disk's space")
    }
  }

  private func failure(_ problem: String, remedy: String) -> ModelFileError {
    let reason = unsafe String(cString: strerror(errno))
    return ModelFileError(file: path, "\(problem): \(reason)", remedy: remedy)
  }
}
