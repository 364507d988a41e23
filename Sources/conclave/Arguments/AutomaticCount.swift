public import ArgumentParser
public import DeepSeek
public import Inference

/// A choice that is `off`, `auto`, or a number, as several options have it.
public protocol AutomaticCount: ExpressibleByArgument, Equatable {
  /// Not at all.
  static var off: Self { get }
  /// As measured.
  static var automatic: Self { get }
  /// Always so many.
  static func fixed(_ count: Int) -> Self
  /// Numbers that may be given.
  static var counts: ClosedRange<Int> { get }
}

extension AutomaticCount {
  /// `off`, `auto`, or a number.
  public init?(argument: String) {
    switch argument {
    case "off": self = .off
    case "auto": self = .automatic
    default:
      guard let count = Int(argument), Self.counts.contains(count) else { return nil }
      self = .fixed(count)
    }
  }

  /// As on the command line.
  public var defaultValueDescription: String {
    if self == .off { return "off" }
    return Self.counts.first { .fixed($0) == self }.map(String.init) ?? "auto"
  }
}

extension Overlap: AutomaticCount {
  /// Parts of a step.
  public static var counts: ClosedRange<Int> { 2...mostParts }
}

extension Speculation: AutomaticCount {
  /// Drafts for one sequence in one step.
  public static var counts: ClosedRange<Int> { 1...mostDrafts }
}
