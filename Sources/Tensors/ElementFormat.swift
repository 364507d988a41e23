/// How the elements of a stored tensor are encoded; raw values are GGUF's type numbers.
///
/// - Source: the GGUF file format. `f8E4M3` exists in safetensors only and has no GGUF number.
public enum ElementFormat: UInt32, Sendable, CaseIterable {
  case f32 = 0
  case f16 = 1
  case q4_0 = 2
  case q4_1 = 3
  case q5_0 = 6
  case q5_1 = 7
  case q8_0 = 8
  case q8_1 = 9
  case q2K = 10
  case q3K = 11
  case q4K = 12
  case q5K = 13
  case q6K = 14
  case q8K = 15
  case iq4NL = 20
  case iq4XS = 23
  case bf16 = 30
  case f8E4M3 = 1000

  /// Elements of one block; blocks run along a tensor's last (fastest) dimension.
  public var blockLength: Int {
    switch self {
    case .f32, .f16, .bf16, .f8E4M3: 1
    case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q8_1, .iq4NL: 32
    case .q2K, .q3K, .q4K, .q5K, .q6K, .q8K, .iq4XS: 256
    }
  }

  /// Bytes of one block.
  public var blockByteCount: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .f8E4M3: 1
    case .q4_0, .iq4NL: 18
    case .q4_1: 20
    case .q5_0: 22
    case .q5_1: 24
    case .q8_0: 34
    case .q8_1: 36
    case .q2K: 84
    case .q3K: 110
    case .q4K: 144
    case .q5K: 176
    case .q6K: 210
    case .q8K: 292
    case .iq4XS: 136
    }
  }

  /// The name that people use for the format, as in a file name: `Q4_K`, `BF16`.
  public var name: String {
    switch self {
    case .f32: "F32"
    case .f16: "F16"
    case .bf16: "BF16"
    case .f8E4M3: "F8_E4M3"
    case .q4_0: "Q4_0"
    case .q4_1: "Q4_1"
    case .q5_0: "Q5_0"
    case .q5_1: "Q5_1"
    case .q8_0: "Q8_0"
    case .q8_1: "Q8_1"
    case .q2K: "Q2_K"
    case .q3K: "Q3_K"
    case .q4K: "Q4_K"
    case .q5K: "Q5_K"
    case .q6K: "Q6_K"
    case .q8K: "Q8_K"
    case .iq4NL: "IQ4_NL"
    case .iq4XS: "IQ4_XS"
    }
  }

  /// Bytes of a row of `count` elements, or nil when `count` is not whole blocks or overflows.
  public func byteCount(elements count: Int) -> Int? {
    guard count >= 0, count % blockLength == 0 else { return nil }
    let (bytes, overflow) = (count / blockLength).multipliedReportingOverflow(by: blockByteCount)
    return overflow ? nil : bytes
  }
}
