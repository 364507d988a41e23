import ArgumentParser
import Foundation
import Yams

/// A YAML file with the options of a command: `--config FILE`.
///
/// Every long option is a key, without its dashes; a value is what would follow it, a flag is true or
/// false, and what is repeatable takes a list. What stands on the command line wins.
struct ConfigurationFile {
  /// The settings of a command that a file can hold.
  struct Settings {
    /// Names of long options, and whether they are flags.
    let isFlag: [String: Bool]
    let command: String

    /// Those of a command, read off its own description, so that no list can fall behind.
    init(of command: (some ParsableCommand).Type) throws {
      let description = try JSONDecoder().decode(
        Description.self, from: Data(command._dumpHelp().utf8))
      self.command = description.command.commandName
      var isFlag: [String: Bool] = [:]
      for argument in description.command.arguments ?? [] where argument.kind != "positional" {
        for name in argument.names ?? [] where name.kind == "long" {
          isFlag[name.name] = argument.kind == "flag"
        }
      }
      for name in ["help", "version", ConfigurationFile.option] { isFlag[name] = nil }
      self.isFlag = isFlag
    }

    private struct Description: Decodable {
      struct Command: Decodable {
        let commandName: String
        let arguments: [Argument]?
      }
      struct Argument: Decodable {
        let kind: String
        let names: [Name]?
      }
      struct Name: Decodable {
        let kind: String
        let name: String
      }
      let command: Command
    }
  }

  static let option = "config"

  /// The same arguments with those of the file that they name before them.
  ///
  /// - Throws: `ValidationError` that names the file and the line.
  static func expand(_ arguments: [String], of command: (some ParsableCommand).Type) throws
    -> [String]
  {
    guard arguments.first == command._commandName else { return arguments }
    var rest = Array(arguments.dropFirst())
    guard let path = try takePath(&rest) else { return arguments }
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw ValidationError("\(path): the configuration cannot be read")
    }
    let settings = try Settings(of: command)
    return [arguments[0]] + (try Self.arguments(in: text, path: path, settings)) + rest
  }

  /// Takes `--config FILE` or `--config=FILE` out of the arguments.
  private static func takePath(_ arguments: inout [String]) throws -> String? {
    let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
    for index in arguments[..<end].indices {
      if arguments[index].hasPrefix("--\(option)=") {
        return String(arguments.remove(at: index).dropFirst(option.count + 3))
      }
      guard arguments[index] == "--\(option)" else { continue }
      guard index + 1 < end else { throw ValidationError("--\(option) needs the path of a file") }
      defer { arguments.removeSubrange(index...(index + 1)) }
      return arguments[index + 1]
    }
    return nil
  }

  /// The arguments that a file stands for.
  static func arguments(in text: String, path: String, _ settings: Settings) throws -> [String] {
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch {
      throw ValidationError("\(path): this is no YAML: \(error)")
    }
    guard let root else { return [] }
    guard let mapping = root.mapping else {
      throw ValidationError("\(path), \(line(root)): write settings as `name: value`, one a line")
    }
    return try mapping.flatMap { key, value in
      do throws(Problem) {
        return try arguments(key, value, settings)
      } catch {
        throw ValidationError("\(path), line \(error.line): \(error.text)")
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

  private static func arguments(
    _ key: Node, _ value: Node, _ settings: Settings
  ) throws(Problem) -> [String] {
    let name = key.scalar?.string ?? ""
    guard let isFlag = settings.isFlag[name] else {
      let near = nearest(to: name, in: settings.isFlag.keys.sorted())
      let advice = near.map { "did you mean \($0)?" } ?? "see `conclave \(settings.command) --help`"
      throw Problem(
        node: key, text: "\"\(name)\" is no setting of `conclave \(settings.command)`; \(advice)")
    }
    if isFlag {
      guard let isOn = value.bool else {
        throw Problem(node: value, text: "\(name) must be true or false")
      }
      return isOn ? ["--\(name)"] : []
    }
    if let values = value.sequence {
      var arguments: [String] = []
      for value in values { arguments.append("--\(name)=\(try text(value, of: name))") }
      return arguments
    }
    return ["--\(name)=\(try text(value, of: name))"]
  }

  private static func text(_ value: Node, of name: String) throws(Problem) -> String {
    guard let text = value.scalar?.string, !text.isEmpty else {
      throw Problem(node: value, text: "\(name) needs one value")
    }
    return text
  }

  /// The name that differs by the fewest letters, if those are few.
  private static func nearest(to name: String, in names: [String]) -> String? {
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
