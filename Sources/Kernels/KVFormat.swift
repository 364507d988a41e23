internal import CKernels

/// How keys and values are stored; part of what determines an answer.
public enum KVFormat: String, CaseIterable, Sendable {
  /// As they are computed: 4 bytes each.
  case float32 = "f32"
  /// Rounded to halves: 2 bytes each.
  case float16 = "f16"
  /// Blocks of 32 under a common scale, a half: 34 bytes. Queries are rounded likewise.
  case int8 = "int8"

  /// What widths of keys and values are rounded up to.
  public var columnMultiple: Int { self == .int8 ? 32 : 16 }

  /// `width` rounded up.
  public func padded(_ width: Int) -> Int {
    (width + columnMultiple - 1) / columnMultiple * columnMultiple
  }

  var code: UInt32 {
    switch self {
    case .float32: UInt32(CK_KV_F32)
    case .float16: UInt32(CK_KV_F16)
    case .int8: UInt32(CK_KV_INT8)
    }
  }
}

/// One layer's share of a page of the cache: 64 positions of equal width.
public struct KVTile: Sendable, Equatable {
  /// Positions of a tile and of a page.
  public static let positions = Int(CK_KEY_TILE)

  /// How elements are stored.
  public let format: KVFormat
  /// Elements of one position, padding included.
  public let columns: Int

  /// A tile whose positions have `columns` elements, a multiple of `format.columnMultiple`.
  public init(format: KVFormat, columns: Int) {
    precondition(columns > 0 && columns == format.padded(columns))
    self.format = format
    self.columns = columns
  }

  /// Bytes of the tile.
  public var byteCount: Int { ck_kv_tile_bytes(layout) }

  var layout: ck_kv_layout { ck_kv_layout(format: format.code, columns: columns) }
}
