internal import Synchronization
public import Tensors

extension ThreadTeam {
  /// Calls `body` for 0 ..< `count`, spread over the threads, and returns when all are done.
  ///
  /// Different calls of `body` may run at the same time, so they must not write the same things.
  public func forEach(_ count: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      var body = body
      unsafe withUnsafeMutablePointer(to: &body) { pointer in
        unsafe run(chunks: count, context: pointer, wakes: true) { context, chunk in
          unsafe context.assumingMemoryBound(to: ((Int) -> Void).self).pointee(chunk)
        }
      }
    }
  }

  /// Calls `body` for 0 ..< `count` as above, in about ascending order, and lends each thread a
  /// buffer of its own.
  public func forEach(
    _ count: Int, bufferByteCount: Int, _ body: (Int, inout ByteBuffer) -> Void
  ) {
    let next = Atomic<Int>(0)
    forEach(min(threadCount, count)) { _ in
      var buffer = ByteBuffer(byteCount: bufferByteCount)
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        if index >= count { return }
        body(index, &buffer)
      }
    }
  }
}
