#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A regular file that is read at given places and never mapped, safe to use from any thread.
///
/// A file on a failing disk or one that someone truncates is an error here, not a signal. So is one
/// that someone writes to after it was opened, since bytes of two versions would be mixed, and one
/// whose bytes are not those of the manifest beside it.
public final class InputFile: Sendable {
  /// The path, for messages.
  public let path: String
  /// The size when it was opened.
  public let byteCount: Int

  private let descriptor: Int32
  private let changedAt: FileTime
  private let verifier: ChunkVerifier?

  /// Opens a regular file, and reads its manifest, if there is one.
  public convenience init(path: String) throws(ModelFileError) {
    try self.init(path: path, isVerified: true)
  }

  init(path: String, isVerified: Bool) throws(ModelFileError) {
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Self.openError(path, errno) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      let code = errno
      close(descriptor)
      throw Self.openError(path, code)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw ModelFileError(file: path, "this is no regular file", remedy: "name a model file")
    }
    self.path = path
    byteCount = Int(status.st_size)
    changedAt = FileTime(status)
    let plain = isVerified ? try InputFile(path: path, isVerified: false) : nil
    verifier = try plain.flatMap { (file) throws(ModelFileError) in
      try FileManifest.read(beside: file)
    }.map(ChunkVerifier.init)
  }

  /// Whether its bytes are compared with a manifest.
  var isVerified: Bool { verifier != nil }

  /// Whether anything is at that path.
  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// Whether a folder is at that path.
  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  deinit { close(descriptor) }

  /// Fills `target` with the bytes that start at `offset`.
  ///
  /// - Throws: `ModelFileError` when they cannot be read, are not those of the manifest, or when the
  ///   file was written to since it was opened; then `target` holds anything.
  public func read(at offset: Int, into target: inout MutableRawSpan) throws(ModelFileError) {
    let range = offset..<offset + target.byteCount
    try verifier?.verify(range, of: path) { (place) throws(ModelFileError) in
      var chunk = [UInt8](repeating: 0, count: place.count)
      var span = chunk.mutableSpan
      var bytes = unsafe span.mutableBytes
      try readPlain(at: place.lowerBound, into: &bytes)
      return chunk
    }
    try readPlain(at: offset, into: &target)
    // Whoever writes changes the time before the bytes, so that this finds what was just read, too.
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, FileTime(status) == changedAt else {
      throw ModelFileError(
        file: path, "somebody wrote to the file while it was in use",
        remedy: "put new versions of a model beside the old one, and start again")
    }
  }

  private func readPlain(at offset: Int, into target: inout MutableRawSpan) throws(ModelFileError) {
    var done = 0
    let wanted = target.byteCount
    while done < wanted {
      let count = unsafe target.withUnsafeMutableBytes { bytes in
        unsafe pread(
          descriptor, bytes.baseAddress.map { unsafe $0 + done }, wanted - done,
          off_t(offset + done))
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw readError(at: offset + done, count < 0 ? errno : nil) }
      done += count
    }
  }

  /// The `count` bytes that start at `offset`; the caller has checked that the file has them.
  public func bytes(at offset: Int, count: Int) throws(ModelFileError) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    var span = result.mutableSpan
    var bytes = unsafe span.mutableBytes
    try read(at: offset, into: &bytes)
    return result
  }

  /// Reads the whole of a small file.
  func contents(limit: Int) throws(ModelFileError) -> [UInt8] {
    guard byteCount <= limit else {
      throw ModelFileError(
        file: path, "the file has \(byteCount) bytes, more than the \(limit) that make sense",
        remedy: Remedy.downloadAgain)
    }
    return try bytes(at: 0, count: byteCount)
  }

  private static func openError(_ path: String, _ code: Int32) -> ModelFileError {
    let remedy =
      switch code {
      case ENOENT, ENOTDIR: "check the path"
      case EACCES, EPERM: "check the file's permissions"
      case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
      default: "check the disk"
      }
    return ModelFileError(file: path, "cannot open: \(message(code))", remedy: remedy)
  }

  private func readError(at offset: Int, _ code: Int32?) -> ModelFileError {
    guard let code else {
      return ModelFileError(
        file: path, byte: offset, "the file became shorter while it was in use",
        remedy: Remedy.downloadAgain)
    }
    return ModelFileError(
      file: path, byte: offset, "cannot read: \(Self.message(code))", remedy: "check the disk")
  }

  private static func message(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }
}

/// When a file was last written to, and how long it was then.
private struct FileTime: Equatable {
  let seconds, nanoseconds, byteCount: Int

  init(_ status: stat) {
    #if canImport(Darwin)
      let time = status.st_mtimespec
    #else
      let time = status.st_mtim
    #endif
    seconds = Int(time.tv_sec)
    nanoseconds = Int(time.tv_nsec)
    byteCount = Int(status.st_size)
  }
}
