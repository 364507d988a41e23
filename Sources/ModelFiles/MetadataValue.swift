/// One value of a GGUF file's metadata.
public enum MetadataValue: Hashable, Sendable {
  case unsigned(UInt64)
  case signed(Int64)
  case float(Double)
  case bool(Bool)
  case string([UInt8])
  case strings(StringArray)
  case numbers(NumberArray)
  case array([MetadataValue])

  /// What it is, for a message: `a string`, `an array of 7 i32`.
  public var kind: String {
    switch self {
    case .unsigned, .signed: "an integer"
    case .float: "a floating-point number"
    case .bool: "a truth value"
    case .string: "a string"
    case .strings(let strings): "an array of \(strings.count) strings"
    case .numbers(let numbers): "an array of \(numbers.count) \(numbers.type)"
    case .array(let values): "an array of \(values.count) arrays"
    }
  }
}

/// The value types of GGUF metadata; raw values are the format's numbers.
public enum MetadataType: UInt32, Hashable, Sendable {
  case u8 = 0
  case i8 = 1
  case u16 = 2
  case i16 = 3
  case u32 = 4
  case i32 = 5
  case f32 = 6
  case bool = 7
  case string = 8
  case array = 9
  case u64 = 10
  case i64 = 11
  case f64 = 12

  /// Bytes of a value; for strings and arrays the least that one takes.
  public var byteCount: Int {
    switch self {
    case .u8, .i8, .bool: 1
    case .u16, .i16: 2
    case .u32, .i32, .f32: 4
    case .u64, .i64, .f64, .string: 8
    case .array: 12
    }
  }
}

/// Numbers or truth values in one buffer, as the file stores them.
public struct NumberArray: RandomAccessCollection, Hashable, Sendable {
  /// The type of every element, neither `string` nor `array`.
  public let type: MetadataType
  /// The elements, little-endian.
  public let bytes: [UInt8]

  init(type: MetadataType, bytes: [UInt8]) {
    self.type = type
    self.bytes = bytes
  }

  /// The first index, 0.
  public var startIndex: Int { 0 }
  /// The number of elements.
  public var endIndex: Int { bytes.count / type.byteCount }

  /// One element.
  public subscript(index: Int) -> MetadataValue {
    MetadataValue(type, bits: bits(index))
  }

  private func bits(_ index: Int) -> UInt64 {
    let size = type.byteCount
    var bits: UInt64 = 0
    for place in 0..<size { bits |= UInt64(bytes[index * size + place]) << UInt64(8 * place) }
    return bits
  }
}

extension MetadataValue {
  /// The number whose little-endian bytes are the low bytes of `bits`.
  init(_ type: MetadataType, bits: UInt64) {
    self =
      switch type {
      case .u8, .u16, .u32, .u64, .string, .array: .unsigned(bits)
      case .i8: .signed(Int64(Int8(truncatingIfNeeded: bits)))
      case .i16: .signed(Int64(Int16(truncatingIfNeeded: bits)))
      case .i32: .signed(Int64(Int32(truncatingIfNeeded: bits)))
      case .i64: .signed(Int64(bitPattern: bits))
      case .f32: .float(Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits))))
      case .f64: .float(Double(bitPattern: bits))
      case .bool: .bool(bits != 0)
      }
  }

  /// The value as an integer, if it is one and fits.
  var integer: Int? {
    switch self {
    case .unsigned(let value): Int(exactly: value)
    case .signed(let value): Int(exactly: value)
    default: nil
    }
  }
}
