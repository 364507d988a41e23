internal import Tensors

/// What one row costs in some matrices: bytes to read once, and products to form for each row.
public struct MatrixWork: Sendable, Hashable {
  /// Bytes of the matrices.
  public var byteCount: Int
  /// Multiplications with addition per row, in matrices that take 8-bit activations.
  public var integerProducts: Int
  /// Multiplications with addition per row, in matrices that take floats.
  public var floatProducts: Int

  /// Work of that size; nothing by default.
  public init(byteCount: Int = 0, integerProducts: Int = 0, floatProducts: Int = 0) {
    self.byteCount = byteCount
    self.integerProducts = integerProducts
    self.floatProducts = floatProducts
  }

  /// A stack of matrices with `columns` columns and `rows` rows together.
  init(_ format: ElementFormat, rows: Int, columns: Int, takesBlocks: Bool) {
    let products = rows * columns
    self.init(
      byteCount: rows * (format.byteCount(elements: columns) ?? 0),
      integerProducts: takesBlocks ? products : 0, floatProducts: takesBlocks ? 0 : products)
  }

  /// Both together.
  public static func + (a: MatrixWork, b: MatrixWork) -> MatrixWork {
    MatrixWork(
      byteCount: a.byteCount + b.byteCount,
      integerProducts: a.integerProducts + b.integerProducts,
      floatProducts: a.floatProducts + b.floatProducts)
  }

  /// Adds `b`.
  public static func += (a: inout MatrixWork, b: MatrixWork) { a = a + b }

  /// The same work `count` times.
  public static func * (a: MatrixWork, count: Int) -> MatrixWork {
    MatrixWork(
      byteCount: a.byteCount * count, integerProducts: a.integerProducts * count,
      floatProducts: a.floatProducts * count)
  }
}
