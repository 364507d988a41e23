import ArgumentParser

/// Counts on the command line, separated by commas: `1,4,16`.
struct CountList: ExpressibleByArgument, CustomStringConvertible {
  let values: [Int]

  init(_ values: [Int]) { self.values = values }

  /// Nil unless the text is one or more numbers.
  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let values = parts.compactMap { Int($0) }
    guard !values.isEmpty, values.count == parts.count else { return nil }
    self.values = values
  }

  var description: String { values.map(String.init).joined(separator: ",") }
}
