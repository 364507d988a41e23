/// Why a model file cannot be read, in one line: file, place, what is wrong, what to do.
public struct ModelFileError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file's path, as it was given or as the model names it.
  public let file: String
  /// Where in the file, counted from its first byte; nil when no single place is at fault.
  public let byte: Int?
  /// What is wrong.
  public let problem: String
  /// What to do about it.
  public let remedy: String

  /// An error about `file`, at `byte` when there is such a place.
  public init(file: String, byte: Int? = nil, _ problem: String, remedy: String) {
    self.file = file
    self.byte = byte
    self.problem = problem
    self.remedy = remedy
  }

  /// `FILE, byte N: what is wrong; what to do`, always one line of printable characters.
  public var description: String {
    let place = byte.map { ", byte \($0)" } ?? ""
    return printable("\(file)\(place): \(problem); \(remedy)", limit: 1000)
  }
}

/// What to do, for the problems that many places share.
enum Remedy {
  static let convertAgain = "convert the file again"
  static let downloadAgain = "copy or download the file again"
}

/// A name out of a file, fit for an error message: quoted, without control characters, not long.
func quoted(_ name: String) -> String { "\"\(printable(name, limit: 80))\"" }

/// The text with control characters and line separators escaped, cut after `limit` scalars.
private func printable(_ text: String, limit: Int) -> String {
  var result = ""
  for (index, scalar) in text.unicodeScalars.enumerated() {
    guard index < limit else { return result + "…" }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate:
      result += "\\u{\(String(scalar.value, radix: 16))}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}
