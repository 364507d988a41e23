internal import CKernels
internal import Glibc

/// An instruction set that the kernels exist for; all of them give the same bits.
public enum KernelVariant: String, CaseIterable, Sendable {
  /// Plain C, on every processor; slow.
  case scalar
  /// x86-64 with AVX2, FMA and F16C.
  case avx2
  /// x86-64 with AVX-512 F, BW, DQ, VL and VNNI.
  case avx512
  /// 64-bit Arm.
  case neon

  /// The function table, or nil where the processor lacks the instructions.
  var table: UnsafePointer<ck_kernels>? {
    switch self {
    case .scalar: unsafe ck_kernels_scalar()
    case .avx2: unsafe ck_kernels_avx2()
    case .avx512: unsafe ck_kernels_avx512()
    case .neon: unsafe ck_kernels_neon()
    }
  }

  /// The variants that run on this processor, slowest first.
  public static let available: [Self] = allCases.filter { unsafe $0.table != nil }

  /// The fastest variant that runs here, or the one that `CONCLAVE_KERNELS` names.
  public static let best: Self = {
    let forced = unsafe getenv("CONCLAVE_KERNELS").flatMap {
      unsafe Self(rawValue: String(cString: $0))
    }
    if let forced, available.contains(forced) { return forced }
    return available.last ?? .scalar
  }()
}
