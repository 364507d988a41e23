import ArgumentParser
import Foundation
import Serving

extension KeysCommand {
  /// The keys that clients of the HTTP API send.
  struct APIKeys: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "api", abstract: "The keys of `conclave serve --keys FILE`.",
      discussion: """
        The file has a line for each key, with its SHA-256 instead of the key itself. A running \
        server takes changes over within a second.
        """,
      subcommands: [New.self, List.self, Revoke.self])
  }
}

extension KeysCommand.APIKeys {
  /// The file that all three work on.
  struct FileArgument: ParsableArguments {
    @Option(help: ArgumentHelp("The file of keys.", valueName: "file"))
    var file: String
  }

  struct New: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Makes a key and prints it: this once only.")

    @Argument(help: "Whose key it is; logs and metrics use this name.")
    var name: String

    @OptionGroup var fileArgument: FileArgument

    @Option(
      name: .customLong("requests-per-minute"),
      help: ArgumentHelp("(default: without limit)", valueName: "count"))
    var requestsPerMinute: Int?

    @Option(
      name: .customLong("tokens-per-minute"),
      help: ArgumentHelp(
        "Tokens of prompts and answers. (default: without limit)", valueName: "count"))
    var tokensPerMinute: Int?

    @Option(
      name: .customLong("tokens-per-day"),
      help: ArgumentHelp(
        "Tokens of prompts and answers. (default: without limit)", valueName: "count"))
    var tokensPerDay: Int?

    @Option(help: ArgumentHelp("Whose requests run first when not all can.", valueName: "priority"))
    var priority = APIKey.Priority.normal

    mutating func validate() throws {
      let limits = [requestsPerMinute, tokensPerMinute, tokensPerDay]
      guard limits.allSatisfy({ (1...1_000_000_000_000).contains($0 ?? 1) }) else {
        throw ValidationError("a limit must be 1 or more")
      }
    }

    func run() throws {
      let path = fileArgument.file
      let exists = FileManager.default.fileExists(atPath: path)
      var file = exists ? try KeyFile(reading: path) : KeyFile(new: path)
      let secret = APISecret.random()
      var key = try APIKey(name: name, digest: secret.digest)
      key.created = Date.now.formatted(.iso8601.year().month().day())
      key.limits.requestsPerMinute = requestsPerMinute
      key.limits.tokensPerMinute = tokensPerMinute
      key.limits.tokensPerDay = tokensPerDay
      key.limits.priority = priority
      try file.add(key)
      try file.write()
      try Output.line(secret.text)
      Terminal.note("this is the only time that the key of \(name) is shown")
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the keys and their limits.")

    @OptionGroup var fileArgument: FileArgument

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
      let keys = try KeyFile(reading: fileArgument.file).keys
      if json { return try Output.json(["keys": .array(keys.map(Self.json))]) }
      var table = Table(
        ["name", "made", "requests/min", "tokens/min", "tokens/day", "priority"],
        rightAligned: [2, 3, 4])
      for key in keys {
        let limits = [
          key.limits.requestsPerMinute, key.limits.tokensPerMinute, key.limits.tokensPerDay,
        ].map { $0.map(String.init) ?? "–" }
        table.add([key.name, key.created ?? "–"] + limits + [key.limits.priority.rawValue])
      }
      for line in table.lines(style: .results) { try Output.line(line) }
    }

    private static func json(_ key: APIKey) -> JSONText {
      func limit(_ value: Int?) -> JSONText { value.map { .integer($0) } ?? .null }
      return .object([
        ("name", .string(key.name)), ("created", key.created.map { .string($0) } ?? .null),
        ("requestsPerMinute", limit(key.limits.requestsPerMinute)),
        ("tokensPerMinute", limit(key.limits.tokensPerMinute)),
        ("tokensPerDay", limit(key.limits.tokensPerDay)),
        ("priority", .string(key.limits.priority.rawValue)),
      ])
    }
  }

  struct Revoke: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Takes a key out of the file; it stops working within a second.")

    @Argument(help: "Whose key to revoke.")
    var name: String

    @OptionGroup var fileArgument: FileArgument

    func run() throws {
      var file = try KeyFile(reading: fileArgument.file)
      try file.remove(named: name)
      try file.write()
      Terminal.note("the key of \(name) is revoked")
    }
  }
}
