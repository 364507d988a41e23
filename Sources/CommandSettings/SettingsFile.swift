import Yams

/// Turns a YAML file of settings into the options that they stand for.
///
/// Every long option is a key, without its dashes; a value is what would follow it, a flag is true or
/// false, and what is repeatable takes a list.
public struct SettingsFile: Sendable {
  /// The most bytes that a file may have.
  public static let maximumByteCount = 64 << 10
  /// How deep lists and mappings may be in each other; settings need 2.
  private static let maximumDepth = 16

  private let isFlag: [String: Bool]
  private let command: String

  /// Describes what a file may say.
  ///
  /// - Parameters:
  ///   - isFlag: Names of long options, and whether they are flags.
  ///   - command: The command whose options they are, for errors.
  public init(isFlag: [String: Bool], command: String) {
    self.isFlag = isFlag
    self.command = command
  }

  /// The arguments that a file stands for.
  ///
  /// - Throws: `SettingsError` that names the file and the line.
  public func arguments(in text: String, path: String) throws(SettingsError) -> [String] {
    try Self.checkSize(of: text, path: path)
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch {
      throw SettingsError("\(path): this is no YAML: \(error)")
    }
    guard let root else { return [] }
    guard let mapping = root.mapping else {
      throw SettingsError(
        "\(path), \(Self.line(root)): write settings as `name: value`, one a line")
    }
    var arguments: [String] = []
    for (key, value) in mapping {
      do throws(Problem) {
        arguments += try self.arguments(key, value)
      } catch {
        throw SettingsError("\(path), line \(error.line): \(error.text)")
      }
    }
    return arguments
  }

  /// The reader of YAML calls itself for every level, and would run out of stack.
  private static func checkSize(of text: String, path: String) throws(SettingsError) {
    guard text.utf8.count <= maximumByteCount else {
      throw SettingsError("\(path): more than \(maximumByteCount) bytes are no configuration")
    }
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
      let openings = line.count { $0 == UInt8(ascii: "[") || $0 == UInt8(ascii: "{") }
      let dashes = line.prefix { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: " ") }.count {
        $0 == UInt8(ascii: "-")
      }
      guard openings <= maximumDepth, dashes <= maximumDepth else {
        throw SettingsError("\(path): this is nested deeper than any setting")
      }
    }
  }

  private struct Problem: Error {
    let line: Int
    let text: String

    init(node: Node, text: String) {
      line = node.mark?.line ?? 1
      self.text = text
    }
  }

  private static func line(_ node: Node) -> String { "line \(node.mark?.line ?? 1)" }

  private func arguments(_ key: Node, _ value: Node) throws(Problem) -> [String] {
    let name = key.scalar?.string ?? ""
    guard let isFlag = isFlag[name] else {
      let near = Self.nearest(to: name, in: self.isFlag.keys.sorted())
      let advice = near.map { "; did you mean \($0)?" } ?? ""
      throw Problem(
        node: key,
        text: "\"\(name.prefix(80))\" is no setting of `conclave \(command)`\(advice)")
    }
    if isFlag {
      guard let isOn = value.bool else {
        throw Problem(node: value, text: "\(name) must be true or false")
      }
      return isOn ? ["--\(name)"] : []
    }
    if let values = value.sequence {
      var arguments: [String] = []
      for value in values { arguments.append("--\(name)=\(try Self.text(value, of: name))") }
      return arguments
    }
    return ["--\(name)=\(try Self.text(value, of: name))"]
  }

  private static func text(_ value: Node, of name: String) throws(Problem) -> String {
    guard let text = value.scalar?.string, !text.isEmpty else {
      throw Problem(node: value, text: "\(name) needs one value")
    }
    return text
  }

  /// The name that differs by the fewest letters, if those are few.
  private static func nearest(to name: String, in names: [String]) -> String? {
    guard name.count <= 80 else { return nil }
    let best = names.map { ($0, distance(Array(name), Array($0))) }.min { $0.1 < $1.1 }
    return best.flatMap { $0.1 <= max(2, name.count / 4) ? $0.0 : nil }
  }

  /// Letters to insert, delete or replace.
  private static func distance(_ a: [Character], _ b: [Character]) -> Int {
    var row = Array(0...b.count)
    for i in a.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in b.indices {
        let next = min(row[j] + 1, row[j + 1] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
        diagonal = row[j + 1]
        row[j + 1] = next
      }
    }
    return row[b.count]
  }
}

/// What is wrong with a file of settings, in one line.
public struct SettingsError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The line.
  public let description: String

  init(_ description: String) { self.description = description }
}
