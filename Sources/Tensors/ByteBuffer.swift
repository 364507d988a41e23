/// Owned bytes, 64-byte aligned, freed at the end of their scope.
///
/// Not cleared when made: large buffers take memory only where they are written.
@safe
public struct ByteBuffer: ~Copyable, @unchecked Sendable {  // `base` is never shared
  private let base: UnsafeMutableRawPointer

  /// Bytes that fit.
  public let byteCount: Int

  /// Allocates `byteCount` bytes of unspecified contents.
  public init(byteCount: Int) {
    precondition(byteCount >= 0)
    self.byteCount = byteCount
    unsafe base = .allocate(byteCount: max(byteCount, 64), alignment: 64)
  }

  deinit { unsafe base.deallocate() }

  /// The address of the first byte, for kernel calls; valid while the buffer lives.
  @unsafe
  public var baseAddress: UnsafeMutableRawPointer { unsafe base }

  /// The bytes, readable while the buffer is borrowed.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    borrowing get {
      let span = unsafe RawSpan(_unsafeStart: base, byteCount: byteCount)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// The bytes, writable while the buffer is held exclusively.
  public var mutableBytes: MutableRawSpan {
    @_lifetime(&self)
    mutating get {
      let span = unsafe MutableRawSpan(_unsafeStart: base, byteCount: byteCount)
      return unsafe _overrideLifetime(span, mutating: &self)
    }
  }
}

extension ByteBuffer {
  /// Copies all of `source` to `offset`.
  public mutating func copy(_ source: RawSpan, at offset: Int) {
    var target = mutableBytes
    target.copy(source, at: offset)
  }

  /// Moves `range` to the start; the rest becomes unspecified.
  public mutating func moveToStart(_ range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount)
    unsafe base.copyMemory(from: base + range.lowerBound, byteCount: range.count)
  }
}

extension MutableRawSpan {
  /// Copies all of `source` to `offset`.
  public mutating func copy(_ source: RawSpan, at offset: Int = 0) {
    precondition(offset >= 0 && offset <= byteCount && source.byteCount <= byteCount - offset)
    guard source.byteCount > 0 else { return }
    unsafe withUnsafeMutableBytes { target in
      unsafe source.withUnsafeBytes { bytes in
        unsafe UnsafeMutableRawBufferPointer(rebasing: target[offset...]).copyMemory(from: bytes)
      }
    }
  }
}
