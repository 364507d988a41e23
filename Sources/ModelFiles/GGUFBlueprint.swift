public import Tensors

/// What a GGUF file is to hold: metadata and tensors, with the places that follow from them.
///
/// - Precondition: values are the program's own; nothing here comes out of a file.
public struct GGUFBlueprint: Sendable {
  /// A tensor to be written.
  public struct Tensor: Hashable, Sendable {
    /// Its name.
    public let name: String
    /// The encoding of its elements.
    public let format: ElementFormat
    /// Row-major, outermost first.
    public let shape: [Int]
    /// Its bytes, without padding.
    public let byteCount: Int
    /// Its first byte, counted from the start of the data.
    public let offset: Int
  }

  /// The format's version, 2 or 3.
  public var version: UInt32 = 3
  /// Tensors start at multiples of this; anything but 32 is written to the metadata, too.
  public let alignment: Int
  /// The tensors, in the order of their bytes.
  public private(set) var tensors: [Tensor] = []

  private var pairs: [UInt8] = []
  private var pairCount: UInt64 = 0
  private var dataEnd = 0

  /// An empty file with the given alignment, a power of two.
  public init(alignment: Int = 32) {
    precondition(alignment > 0 && alignment.nonzeroBitCount == 1)
    self.alignment = alignment
    if alignment != 32 { set("general.alignment", u32: alignment) }
  }

  /// Bytes of the data, padding included.
  public var dataByteCount: Int { dataEnd }

  /// Everything before the data, padded so that the data can follow.
  public var header: [UInt8] {
    var bytes = Array("GGUF".utf8)
    bytes.append(little: version)
    bytes.append(little: UInt64(tensors.count))
    bytes.append(little: pairCount)
    bytes += pairs
    for tensor in tensors {
      bytes.append(text: tensor.name.utf8)
      bytes.append(little: UInt32(tensor.shape.count))
      for length in tensor.shape.reversed() { bytes.append(little: UInt64(length)) }
      bytes.append(little: tensor.format.rawValue)
      bytes.append(little: UInt64(tensor.offset))
    }
    let padding = padded(bytes.count) - bytes.count
    return bytes + [UInt8](repeating: 0, count: padding)
  }

  /// Adds a tensor behind those that are there; its shape is row-major, outermost first.
  public mutating func add(_ name: String, _ format: ElementFormat, _ shape: [Int]) {
    guard let byteCount = tensorByteCount(format, shape: shape), byteCount > 0 else {
      preconditionFailure("\(name) cannot have the shape \(shape) as \(format.name)")
    }
    tensors.append(
      Tensor(
        name: name, format: format, shape: shape, byteCount: byteCount, offset: dataEnd))
    dataEnd = padded(dataEnd + byteCount)
  }

  /// `count` rounded up to a multiple of the alignment.
  func padded(_ count: Int) -> Int { (count + alignment - 1) & ~(alignment - 1) }
}

extension GGUFBlueprint {
  /// Adds an unsigned 16-bit value.
  public mutating func set(_ key: String, u16 value: Int) {
    set(key, .u16) { $0.append(little: UInt16(value)) }
  }

  /// Adds an unsigned 32-bit value.
  public mutating func set(_ key: String, u32 value: Int) {
    set(key, .u32) { $0.append(little: UInt32(value)) }
  }

  /// Adds a signed 32-bit value.
  public mutating func set(_ key: String, i32 value: Int) {
    set(key, .i32) { $0.append(little: UInt32(bitPattern: Int32(value))) }
  }

  /// Adds a 32-bit floating-point value.
  public mutating func set(_ key: String, f32 value: Float) {
    set(key, .f32) { $0.append(little: value.bitPattern) }
  }

  /// Adds a truth value.
  public mutating func set(_ key: String, bool value: Bool) {
    set(key, .bool) { $0.append(little: UInt8(value ? 1 : 0)) }
  }

  /// Adds a text.
  public mutating func set(_ key: String, string value: String) {
    set(key, .string) { $0.append(text: value.utf8) }
  }

  /// Adds an array of byte strings.
  public mutating func set(_ key: String, strings: StringArray) {
    set(key, .array) {
      $0.append(little: MetadataType.string.rawValue)
      $0.append(little: UInt64(strings.count))
      for string in strings { $0.append(text: string) }
    }
  }

  /// Adds an array of signed 32-bit values.
  public mutating func set(_ key: String, i32s values: [Int32]) {
    set(key, .array) {
      $0.append(little: MetadataType.i32.rawValue)
      $0.append(little: UInt64(values.count))
      for value in values { $0.append(little: UInt32(bitPattern: value)) }
    }
  }

  private mutating func set(
    _ key: String, _ type: MetadataType, _ append: (inout [UInt8]) -> Void
  ) {
    pairs.append(text: key.utf8)
    pairs.append(little: type.rawValue)
    append(&pairs)
    pairCount += 1
  }
}

extension [UInt8] {
  fileprivate mutating func append(little value: some FixedWidthInteger) {
    for place in 0..<value.bitWidth / 8 {
      append(UInt8(truncatingIfNeeded: value >> (8 * place)))
    }
  }

  fileprivate mutating func append(text: some Collection<UInt8>) {
    append(little: UInt64(text.count))
    append(contentsOf: text)
  }
}
