import Foundation

/// The arrays of an uncompressed `.npz` file: a zip archive of `.npy` files.
struct NumPyArchive {
  /// One array, row-major; integers up to 2^24 stay exact as floats.
  struct Array {
    let shape: [Int]
    let values: [Float]

    /// Values as integers.
    var integers: [Int32] { values.map { Int32($0) } }
  }

  struct Malformed: Error {}

  private(set) var arrays: [String: Array] = [:]

  init(path: String) throws {
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
    let end = try Self.endOfDirectory(bytes)
    var entry = Self.number(bytes, end + 16, 4)
    for _ in 0..<Self.number(bytes, end + 10, 2) {
      let nameLength = Self.number(bytes, entry + 28, 2)
      let name = String(decoding: bytes[entry + 46..<entry + 46 + nameLength], as: UTF8.self)
      guard Self.number(bytes, entry + 10, 2) == 0 else { throw Malformed() }  // not stored
      let size = Self.number(bytes, entry + 24, 4)
      let local = Self.number(bytes, entry + 42, 4)
      let start = local + 30 + Self.number(bytes, local + 26, 2) + Self.number(bytes, local + 28, 2)
      arrays[name.replacing(".npy", with: "")] = try Self.array(bytes[start..<start + size])
      entry +=
        46 + nameLength + Self.number(bytes, entry + 30, 2)
        + Self.number(bytes, entry + 32, 2)
    }
  }

  subscript(name: String) -> Array? { arrays[name] }

  private static func endOfDirectory(_ bytes: [UInt8]) throws -> Int {
    for start in stride(from: bytes.count - 22, through: 0, by: -1)
    where bytes[start..<start + 4].elementsEqual([0x50, 0x4b, 5, 6]) { return start }
    throw Malformed()
  }

  private static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> Int {
    bytes[start..<start + count].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  private static func array(_ file: ArraySlice<UInt8>) throws -> Array {
    let bytes = [UInt8](file)
    guard bytes.starts(with: [0x93] + Swift.Array("NUMPY".utf8)), bytes[6] == 1 else {
      throw Malformed()
    }
    let start = 10 + number(bytes, 8, 2)
    let header = String(decoding: bytes[10..<start], as: UTF8.self)
    guard let list = header.firstMatch(of: /'shape': \(([0-9, ]*)\)/),
      header.contains("'fortran_order': False")
    else { throw Malformed() }
    let shape = list.output.1.split(separator: ",").compactMap {
      Int($0.trimmingCharacters(in: .whitespaces))
    }
    let isFloat = header.contains("'<f4'")
    guard isFloat || header.contains("'<i4'") else { throw Malformed() }
    let values = (0..<shape.reduce(1, *)).map { index in
      let bits = UInt32(number(bytes, start + 4 * index, 4))
      return isFloat ? Float(bitPattern: bits) : Float(Int32(bitPattern: bits))
    }
    return Array(shape: shape, values: values)
  }
}
