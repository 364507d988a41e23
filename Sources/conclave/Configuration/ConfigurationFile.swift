import ArgumentParser
import CommandSettings
import Foundation

/// A YAML file with the options of a command: `--config FILE`.
///
/// What stands on the command line wins.
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
      for name in Self.always { isFlag[name] = nil }
      self.isFlag = isFlag
    }

    /// Options that no file can hold.
    static let always = ["help", "version", ConfigurationFile.option]

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

  /// The first long option that the command in `arguments` does not have; nil when it has all, and for
  /// commands of commands.
  static func unknownOption(in arguments: [String]) -> String? {
    guard let command = Conclave.command(named: arguments.first),
      command.configuration.subcommands.isEmpty, let settings = try? Settings(of: command)
    else { return nil }
    return arguments.dropFirst().prefix { $0 != "--" }.lazy
      .filter { $0.hasPrefix("--") }
      .map { String($0.prefix { $0 != "=" }) }
      .first {
        let name = String($0.dropFirst(2))
        return settings.isFlag[name] == nil && !Settings.always.contains(name)
      }
  }

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
    let file = SettingsFile(isFlag: settings.isFlag, command: settings.command)
    do throws(SettingsError) {
      return [arguments[0]] + (try file.arguments(in: text, path: path)) + rest
    } catch {
      throw ValidationError(error.description)
    }
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
}
