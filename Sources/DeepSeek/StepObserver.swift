public import Tensors

/// Sees what happens inside a step, for tests and diagnosis; costs nothing when there is none.
public protocol StepObserver: AnyObject {
  /// The residual stream before layer `layer`, or after the last when `layer` is the layer count.
  ///
  /// - Shapes: `hidden`: at least `rowCount` × hiddenSize.
  func willRun(layer: Int, hidden: borrowing FloatMatrix, rowCount: Int)

  /// The experts of a row, in falling order of their choice value, and their weights.
  func didRoute(layer: Int, row: Int, experts: [Int32], weights: [Float])
}
