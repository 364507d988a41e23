public import Tensors

/// Where and how a model's file keeps one tensor; gives its name no meaning.
public struct TensorRecord: Hashable, Sendable {
  /// The name in the file.
  public let name: String
  /// How its elements are encoded; blocks run along the last dimension.
  public let format: ElementFormat
  /// Row-major, outermost first: a GGUF tensor {in, out, E} has the shape [E, out, in].
  public let shape: [Int]
  /// Bytes of the whole tensor.
  public let byteCount: Int
  /// Which of the archive's files holds it.
  public let part: Int
  /// Its first byte, counted from the start of that file.
  public let fileOffset: Int

  /// Elements of one row, the last dimension; 1 for a scalar.
  public var columns: Int { shape.last ?? 1 }
  /// Rows, the product of all dimensions but the last.
  public var rows: Int { shape.dropLast().reduce(1, *) }
  /// Bytes of one row.
  public var rowByteCount: Int { rows == 0 ? 0 : byteCount / rows }

  /// The bytes of item `index` of the first dimension: expert `index` of a stack of experts.
  public func bytes(ofItem index: Int) -> Range<Int> {
    precondition(index >= 0 && index < shape[0])
    let item = byteCount / shape[0]
    return index * item..<(index + 1) * item
  }
}

/// The bytes of a tensor of that shape; nil when rows are not whole blocks or on overflow.
///
/// No shape that passes makes a product of dimensions that overflows.
func tensorByteCount(_ format: ElementFormat, shape: [Int]) -> Int? {
  guard shape.allSatisfy({ $0 >= 0 }), var bytes = format.byteCount(elements: shape.last ?? 1)
  else { return nil }
  var elements = 1
  for length in shape {
    let (product, overflow) = elements.multipliedReportingOverflow(by: length)
    guard !overflow else { return nil }
    elements = product
  }
  for length in shape.dropLast() {
    let (product, overflow) = bytes.multipliedReportingOverflow(by: length)
    guard !overflow else { return nil }
    bytes = product
  }
  return bytes
}

/// Refuses tensors of one file that share bytes.
func refuseOverlaps(_ tensors: [TensorRecord], file: String) throws(ModelFileError) {
  let ordered = tensors.filter { $0.byteCount > 0 }.sorted { $0.fileOffset < $1.fileOffset }
  for (tensor, next) in zip(ordered, ordered.dropFirst())
  where next.fileOffset - tensor.fileOffset < tensor.byteCount {
    throw ModelFileError(
      file: file, byte: next.fileOffset,
      "tensors \(quoted(tensor.name)) and \(quoted(next.name)) overlap",
      remedy: Remedy.convertAgain)
  }
}
