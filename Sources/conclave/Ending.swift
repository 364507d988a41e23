import ArgumentParser
import Foundation

/// How the process ends after an error: a status, and what is said about it.
struct Ending {
  let status: Int32
  /// Help and version text, for standard output.
  private(set) var text = ""
  /// The one line for standard error.
  private(set) var line = ""

  init(of error: any Error, arguments: [String]) {
    if error is Interrupted {
      status = 130
      return
    }
    let code = Conclave.exitCode(for: error)
    switch code {
    case .success:
      status = 0
      text = Conclave.fullMessage(for: error)
    case .validationFailure:
      status = 64
      let command = Self.commandName(in: arguments)
      line = Self.oneLine(Self.message(for: error, arguments)) + "; see `\(command) --help`"
    default:
      status = 1
      line = Self.oneLine("\(error)")
    }
  }

  /// Says what there is to say, and ends the process.
  func exit() -> Never {
    if !text.isEmpty { try? Output.write(text.hasSuffix("\n") ? text : text + "\n") }
    // The last word of a daemon, too, is for the person who started it.
    if Terminal.lineForm == .stamped { Terminal.lineForm = .plain }
    if !line.isEmpty { Terminal.note("conclave: \(line)") }
    Foundation.exit(status)
  }

  /// What is wrong with the arguments.
  ///
  /// The word after an option that a command does not have is taken for an argument, which may be found
  /// wrong first: then the option is what is wrong.
  private static func message(for error: any Error, _ arguments: [String]) -> String {
    let message = Conclave.message(for: error)
    guard !message.hasPrefix("Unknown option"),
      let unknown = ConfigurationFile.unknownOption(in: arguments)
    else { return message }
    return "Unknown option '\(unknown)'"
  }

  /// `conclave` and the subcommands that were meant, as far as there are some.
  private static func commandName(in arguments: [String]) -> String {
    var names = ["conclave"]
    var commands = Conclave.commands
    for argument in arguments {
      guard let command = commands.first(where: { $0._commandName == argument }) else { break }
      names.append(argument)
      commands = command.configuration.subcommands
    }
    return names.joined(separator: " ")
  }

  /// The text in one line, without what would move the cursor of a terminal.
  static func oneLine(_ text: String) -> String {
    var line = ""
    for part in text.split(whereSeparator: \.isNewline) {
      let words = part.trimmingCharacters(in: .whitespaces)
      guard !words.isEmpty else { continue }
      let isItem = words.hasPrefix("- ")  // of a list of values that are possible
      line += line.isEmpty ? "" : isItem && !line.hasSuffix(":") ? ", " : " "
      line += isItem ? String(words.dropFirst(2)) : words
    }
    line.unicodeScalars.removeAll { $0.properties.generalCategory == .control }
    while line.hasSuffix(".") { line.removeLast() }
    return line
  }
}

/// The user pressed Ctrl-C, or somebody asked the process to end; what there was to say is said.
struct Interrupted: Error {}

/// What went wrong in the command itself, as the one line that the user sees.
struct CommandFailure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
