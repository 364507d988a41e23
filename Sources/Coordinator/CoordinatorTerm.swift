import Foundation

/// Numbers of coordinators: one that starts later has a larger one.
enum CoordinatorTerm {
  /// How far clocks of machines may be apart.
  static let tolerance: UInt64 = 86_400_000

  /// Milliseconds since 2024.
  static var now: UInt64 {
    UInt64(max(0, (Date().timeIntervalSince1970 - 1_704_067_200) * 1_000))
  }

  /// No coordinator can have a later one yet.
  static var latest: UInt64 { now + tolerance }
}
