import ArgumentParser

/// The `conclave` command.
@main
struct Conclave: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conclave",
    abstract: "Runs DeepSeek mixture-of-experts models across machines too small for them.",
    discussion: """
      MODEL is a GGUF file (the first part of a split one) or a folder in Hugging Face format.
      Results go to standard output, progress to standard error. The exit status is 0 on success, \
      64 when the arguments are wrong, 130 after Ctrl-C, and 1 for everything else.
      """,
    version: "0.1.0",
    groupedSubcommands: [
      CommandGroup(name: "Start here:", subcommands: [Demo.self]),
      CommandGroup(
        name: "Run a model:",
        subcommands: [
          Generate.self, Chat.self, Serve.self, WorkerCommand.self, Drain.self, KeysCommand.self,
        ]),
      CommandGroup(
        name: "Look inside:",
        subcommands: [
          Inspect.self, Manifest.self, Tokenize.self, Logits.self, Perplexity.self,
        ]),
      CommandGroup(
        name: "Plan:", subcommands: [Plan.self, Simulate.self, Synthesize.self]),
      CommandGroup(
        name: "Measure:",
        subcommands: [
          Latency.self, EmulateLink.self, Bench.self, BenchKernels.self, BenchAttention.self,
        ]),
    ])

  /// Parses the arguments, runs the command and ends the process with its status.
  static func main() async {
    CrashSignals.endAtOnce()
    var arguments = Array(CommandLine.arguments.dropFirst())
    do {
      arguments = try ConfigurationFile.expand(arguments, of: Serve.self)
      try checkCommand(arguments)
      var command = try parseAsRoot(arguments)
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      Ending(of: error, arguments: arguments).exit()
    }
  }

  /// All commands.
  static var commands: [any ParsableCommand.Type] {
    configuration.subcommands + configuration.groupedSubcommands.flatMap(\.subcommands)
  }

  /// The names of all commands.
  static var commandNames: [String] { commands.map { $0._commandName } }

  /// The command of that name.
  static func command(named name: String?) -> (any ParsableCommand.Type)? {
    commands.first { $0._commandName == name }
  }

  /// Fails when the first argument is meant to be a command and is none.
  private static func checkCommand(_ arguments: [String]) throws {
    guard let word = arguments.first, !word.hasPrefix("-"), word != "help",
      !commandNames.contains(word)
    else { return }
    let distances = commandNames.map { ($0, $0.difference(from: word).count) }
    let near = distances.filter { $1 <= 3 }.min { $0.1 < $1.1 }?.0
    throw ValidationError("'\(word)' is no command" + (near.map { ", '\($0)' is" } ?? ""))
  }
}
