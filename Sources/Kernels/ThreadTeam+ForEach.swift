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
}
