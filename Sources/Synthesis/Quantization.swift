internal import Tensors

/// A mix of tensor formats, as llama.cpp's quantiser names it.
public enum Quantization: String, Sendable, CaseIterable {
  case f32
  case f16
  case bf16
  case q8_0
  case q6K = "q6_k"
  case q5KM = "q5_k_m"
  case q4KM = "q4_k_m"
  case q4_0
  case iq4XS = "iq4_xs"

  /// The label that goes into `general.file_type`.
  var fileType: Int {
    switch self {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q8_0: 7
    case .q4KM: 15
    case .q5KM: 17
    case .q6K: 18
    case .iq4XS: 30
    case .bf16: 32
    }
  }

  /// The format of most matrices.
  private var base: ElementFormat {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .q8_0: .q8_0
    case .q6K: .q6K
    case .q5KM: .q5K
    case .q4KM: .q4K
    case .q4_0: .q4_0
    case .iq4XS: .iq4XS
    }
  }

  /// The format of a matrix whose rows have `columns` elements.
  ///
  /// - Source: the tensor type rules of llama.cpp's `llama-quant.cpp`, without an importance
  ///   matrix; they apply to the model's layer count, so a shortened model is its own mix.
  func format(of role: MatrixRole, columns: Int, in geometry: Geometry) -> ElementFormat {
    guard base.blockLength > 1 else { return base }
    return Self.fallback(wanted(role, columns: columns, in: geometry), columns: columns)
  }

  private func wanted(
    _ role: MatrixRole, columns: Int, in geometry: Geometry
  ) -> ElementFormat {
    let layers = geometry.layerCount
    switch (role, self) {
    case (.output, .q8_0): return .q8_0
    case (.output, _): return columns % base.blockLength == 0 ? .q6K : .q8_0
    case (.down(let layer), .q4KM), (.down(let layer), .q5KM), (.value(let layer), .q4KM),
      (.value(let layer), .q5KM):
      return Self.usesMoreBits(layer, of: layers) ? .q6K : base
    case (.down(let layer), .iq4XS): return layer < layers / 8 ? .q5K : base
    case (.value, .iq4XS): return geometry.sharesKeysFourfold ? .q5K : base
    default: return base
    }
  }

  private static func usesMoreBits(_ layer: Int, of layers: Int) -> Bool {
    layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2
  }

  /// What takes the place of a format whose blocks do not fit into the rows.
  private static func fallback(_ format: ElementFormat, columns: Int) -> ElementFormat {
    guard columns % format.blockLength != 0 else { return format }
    guard columns % 32 == 0 else { return .f16 }
    return switch format {
    case .q4K: .q5_0
    case .q5K: .q5_1
    case .q6K: .q8_0
    case .iq4XS: .iq4NL
    default: .f16
    }
  }
}

/// What a matrix is for, as far as the mixes care.
enum MatrixRole {
  case output
  /// A feed-forward or expert down projection.
  case down(layer: Int)
  /// The value projection of grouped attention.
  case value(layer: Int)
  case other
}

extension Geometry {
  fileprivate var sharesKeysFourfold: Bool {
    guard case .grouped(let heads, let keyValueHeads, _) = attention else { return false }
    return heads / keyValueHeads >= 4
  }
}
