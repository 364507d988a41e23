import Kernels
import Tensors

/// The last norm and the projection to the vocabulary.
struct OutputHead: Sendable {
  let norm: [Float]  // (hiddenSize)
  let epsilon: Float
  let matrix: PackedMatrix  // (vocabulary, hiddenSize)

  /// What `Stream.normed` must be encoded to.
  var inputFormats: ActivationFormats { ActivationFormats(matrix) }

  /// Computes the logits of the first `count` rows of the stream.
  func forward(_ count: Int, stream: inout Stream, into logits: inout FloatMatrix) {
    let rows = 0..<count
    stream.norm(rows, weight: norm, epsilon: epsilon)
    stream.encodeNormed(rows, formats: inputFormats)
    stream.normedRows.multiply(matrix, rows: rows, into: &logits, plan: &stream.plan)
    stream.runPlan()
  }
}
