import CZeroMQ

/// The library's I/O threads; ends when the last socket made from it has ended.
@safe
public final class TransportContext: @unchecked Sendable {  // ZeroMQ contexts are thread-safe
  let handle: UnsafeMutableRawPointer
  private let authentication: AuthenticationServer?

  /// Starts the threads that move bytes for every socket of the context.
  ///
  /// - Parameters:
  ///   - ioThreads: One is enough for gigabytes a second.
  ///   - allowList: Who may connect to listening sockets with keys; nil where there are none.
  /// - Throws: `TransportError` when the library cannot be started.
  public init(ioThreads: Int32 = 1, allowList: AllowList? = nil) throws(TransportError) {
    guard let handle = unsafe zmq_ctx_new() else { throw TransportError(.start, "ZeroMQ") }
    unsafe self.handle = unsafe handle
    unsafe zmq_ctx_set(handle, ZMQ_IO_THREADS, ioThreads)
    do throws(TransportError) {
      authentication = try allowList.map { (list) throws(TransportError) in
        unsafe try AuthenticationServer(context: handle, allowList: list)
      }
    } catch {
      unsafe zmq_ctx_term(handle)
      throw error
    }
  }

  deinit {
    if let authentication {
      unsafe zmq_ctx_shutdown(handle)  // ends that thread's waiting
      authentication.waitForEnd()
    }
    unsafe zmq_ctx_term(handle)
  }

  /// Version of the library that is loaded, as in "4.3.4".
  public static var libraryVersion: String {
    var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
    unsafe zmq_version(&major, &minor, &patch)
    return "\(major).\(minor).\(patch)"
  }
}
