internal import CKernels

/// The compute kernels of one instruction set, run by a team of threads.
///
/// Results are the same bits for every variant, thread count and batch.
@safe
public struct Kernels: @unchecked Sendable {  // the table is constant
  /// The instruction set.
  public let variant: KernelVariant
  /// Who computes.
  public let team: ThreadTeam

  let table: UnsafePointer<ck_kernels>

  /// Kernels of `variant`, which must be available here.
  public init(variant: KernelVariant = .best, team: ThreadTeam = ThreadTeam()) {
    guard let table = unsafe variant.table else {
      preconditionFailure("no \(variant.rawValue) kernels on this processor")
    }
    self.variant = variant
    self.team = team
    unsafe self.table = unsafe table
  }

  /// Names activation format, reply format, lane structure and kernel revision: peers of one
  /// cluster must agree on it.
  public static let numericsProfile = "q8b32-i16/1"

  /// The profile of these kernels: the same for all variants.
  public var numericsProfile: String { Self.numericsProfile }
}
