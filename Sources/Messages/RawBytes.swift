extension [UInt8] {
  /// The bytes without their type, to be decoded.
  package var rawSpan: RawSpan {
    @_lifetime(borrow self)
    borrowing get { unsafe span.bytes }
  }
}

extension RawSpan {
  /// A little-endian number at `offset`, which must lie within.
  func load<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type, at offset: Int) -> Number {
    precondition(offset >= 0 && offset <= byteCount - MemoryLayout<Number>.size)
    return unsafe Number(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: Number.self))
  }
}

extension MutableRawSpan {
  /// Writes a number at `offset`, which must lie within, little-endian.
  mutating func store<Number: FixedWidthInteger & BitwiseCopyable>(
    _ number: Number, at offset: Int
  ) {
    storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
  }
}
