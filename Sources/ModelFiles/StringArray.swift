/// Many byte strings in one buffer, as cheap as the bytes themselves.
///
/// Vocabulary entries are compared by bytes: a `String` would call canonically equal texts equal.
public struct StringArray: RandomAccessCollection, Hashable, Sendable {
  private var bytes: [UInt8] = []
  private var ends: [Int] = []

  /// No strings.
  public init() {}

  /// The UTF-8 bytes of `strings`.
  public init(_ strings: some Sequence<String>) {
    for string in strings { append(string.utf8) }
  }

  /// The first index, 0.
  public var startIndex: Int { 0 }
  /// The number of strings.
  public var endIndex: Int { ends.count }
  /// Bytes of all strings together.
  public var byteCount: Int { bytes.count }

  /// The bytes of one string.
  public subscript(index: Int) -> ArraySlice<UInt8> { bytes[range(index)] }

  /// One string as text; bytes that are not UTF-8 become U+FFFD.
  public func text(_ index: Int) -> String { String(decoding: self[index], as: UTF8.self) }

  /// Adds a string.
  public mutating func append(_ string: some Sequence<UInt8>) {
    bytes.append(contentsOf: string)
    ends.append(bytes.count)
  }

  /// Reserves space for `count` strings of `byteCount` bytes together.
  public mutating func reserve(count: Int, byteCount: Int = 0) {
    ends.reserveCapacity(ends.count + count)
    bytes.reserveCapacity(bytes.count + byteCount)
  }

  /// Adds the string that `fill` appends to the buffer.
  mutating func append(
    filledBy fill: (inout [UInt8]) throws(ModelFileError) -> Void
  ) throws(ModelFileError) {
    try fill(&bytes)
    ends.append(bytes.count)
  }

  private func range(_ index: Int) -> Range<Int> {
    (index == 0 ? 0 : ends[index - 1])..<ends[index]
  }
}
