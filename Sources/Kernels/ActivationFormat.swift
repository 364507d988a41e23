internal import CKernels
public import Tensors

/// How activation rows are encoded, once, for the matrices that consume them.
public enum ActivationFormat: UInt8, Sendable {
  /// Plain floats, for F32, F16 and BF16 weights and for weights that are decoded on the fly.
  case float32 = 0
  /// Blocks of 32 int8 codes with a half-precision scale, for quantised weights.
  case int8Blocks = 1

  /// Elements of a block; a row is whole blocks.
  public var blockLength: Int { self == .float32 ? 1 : 32 }

  /// Bytes of one row on the wire: floats, or all codes followed by all scales.
  public func byteCount(columns: Int) -> Int {
    self == .float32 ? columns * 4 : columns + columns / 32 * 2
  }
}

extension ElementFormat {
  /// What activations of a matrix in this format must be encoded to.
  public var activationFormat: ActivationFormat {
    ck_takes_int8(rawValue) ? .int8Blocks : .float32
  }

  /// Decodes whole blocks to floats, exactly as the format's definition says.
  ///
  /// - Parameters:
  ///   - raw: `out.count` elements as they stand in a file.
  ///   - out: receives the floats; its count is a multiple of `blockLength`.
  public func decode(_ raw: RawSpan, into out: inout MutableSpan<Float>) {
    precondition(byteCount(elements: out.count) == raw.byteCount, "decode: sizes differ")
    unsafe raw.withUnsafeBytes { raw in
      unsafe out.withUnsafeMutableBufferPointer { out in
        guard let source = raw.baseAddress, let target = out.baseAddress else { return }
        _ = unsafe ck_decode(
          rawValue, source.assumingMemoryBound(to: UInt8.self), out.count, target)
      }
    }
  }
}
