package import Tensors

/// One tensor to be made: where it goes and how its values are spread.
package struct TensorPlan: Sendable {
  package let name: String
  package let format: ElementFormat
  /// Row-major, outermost first.
  package let shape: [Int]
  package let values: Spread

  package init(name: String, format: ElementFormat, shape: [Int], values: Spread) {
    self.name = name
    self.format = format
    self.shape = shape
    self.values = values
  }
}

/// How random values are spread.
package enum Spread: Sendable {
  /// Around zero, with this standard deviation.
  case centred(deviation: Float)
  /// Evenly between the bounds; float32 only.
  case between(Float, Float)
}
