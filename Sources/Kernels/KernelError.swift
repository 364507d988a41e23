public import Tensors

/// Why a matrix or an encoded row could not be made.
public enum KernelError: Error, Equatable, CustomStringConvertible {
  /// The system has no memory for weights of this many bytes.
  case outOfMemory(byteCount: Int)
  /// The format has no kernel, or its blocks do not divide the columns.
  case unsupportedShape(format: ElementFormat, rows: Int, columns: Int)
  /// Encoded rows came with another length than their format and width require.
  case wireLength(expected: Int, found: Int)
  /// Encoded rows hold a code or a scale that no encoder writes.
  case wireContents(row: Int)

  /// One line: what failed and what to do.
  public var description: String {
    switch self {
    case .outOfMemory(let byteCount):
      "no memory for \(byteCount) bytes of weights; free some, or hold fewer experts here"
    case .unsupportedShape(let format, let rows, let columns):
      "a \(rows) × \(columns) matrix of \(format.name) cannot be multiplied: rows of this format "
        + "are whole blocks of \(format.blockLength); check the file"
    case .wireLength(let expected, let found):
      "encoded rows of \(found) bytes where \(expected) belong; both ends must run the same model"
    case .wireContents(let row):
      "encoded row \(row) holds values that no encoder writes; the sender or the link is broken"
    }
  }
}
