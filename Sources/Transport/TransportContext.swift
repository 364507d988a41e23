import CZeroMQ

/// The library's I/O threads; ends when the last socket made from it has ended.
@safe
public final class TransportContext: @unchecked Sendable {  // ZeroMQ contexts are thread-safe
  let handle: UnsafeMutableRawPointer

  /// Starts `ioThreads` threads that move bytes for every socket of the context.
  public init(ioThreads: Int32 = 1) throws(TransportError) {
    guard let handle = unsafe zmq_ctx_new() else { throw TransportError(.start, "ZeroMQ") }
    unsafe self.handle = unsafe handle
    unsafe zmq_ctx_set(handle, ZMQ_IO_THREADS, ioThreads)
  }

  deinit { unsafe zmq_ctx_term(handle) }

  /// Version of the library that is loaded, as in "4.3.4".
  public static var libraryVersion: String {
    var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
    unsafe zmq_version(&major, &minor, &patch)
    return "\(major).\(minor).\(patch)"
  }
}
