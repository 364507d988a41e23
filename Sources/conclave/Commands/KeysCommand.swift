import ArgumentParser
import Foundation
import Transport

/// Keys of machines, and those of the HTTP API.
struct KeysCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys", abstract: "Makes, lists and revokes keys.",
    discussion: """
      Machines of a cluster know each other by key pairs. Each makes its own, which never leaves it, \
      and prints the public half, which is no secret:
        coordinator$ conclave keys new coordinator.key
        worker$      conclave keys new worker.key
      The coordinator lets the worker in, and the worker trusts the coordinator:
        coordinator$ conclave keys allow WORKER_PUBLIC_KEY --name rack1 \\
                       --file workers.allow
        coordinator$ conclave serve model.gguf --expect 1 \\
                       --listen tcp://192.168.1.10:7400 \\
                       --cluster-key coordinator.key --allow-workers workers.allow
        worker$      conclave worker --join tcp://192.168.1.10:7400 \\
                       --cluster-key worker.key \\
                       --coordinator-key COORDINATOR_PUBLIC_KEY
      Running processes take over changes of such lists within a second.
      """,
    subcommands: [New.self, Show.self, Allow.self, Revoke.self, List.self, APIKeys.self])

  struct New: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Makes this machine's key pair, and prints the public half.")

    @Argument(help: "The file to make; it stays on this machine.")
    var file: String

    func run() throws {
      let pair = try KeyPair.random()
      try KeyPairFile.write(pair, to: file)
      try Output.line("\(pair.publicKey)")
      Terminal.note("\(file) stays on this machine; give the public key above to the others")
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints the public half of a key pair.")

    @Argument(help: "A file that `conclave keys new` made.")
    var file: String

    func run() throws { try Output.line("\(KeyPairFile.read(file).publicKey)") }
  }

  /// The file that the other commands work on.
  struct ListArgument: ParsableArguments {
    @Option(
      help: ArgumentHelp(
        "The list of public keys: of workers for a coordinator, of coordinators for a worker.",
        valueName: "file"))
    var file: String
  }

  struct Allow: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Adds a public key to a list.")

    @Argument(help: "The public key that `conclave keys new` printed.")
    var key: String

    @Option(help: "What lists and logs call its owner.")
    var name: String

    @OptionGroup var list: ListArgument

    func run() throws {
      let exists = AllowListFile.exists(list.file)
      var file = exists ? try AllowListFile(reading: list.file) : AllowListFile(new: list.file)
      let today = Date.now.formatted(.iso8601.year().month().day())
      try file.add(.init(key: PublicKey(key), name: name, added: today))
      try file.write()
      let count = file.entries.count
      Terminal.note("\(name) is let in by \(list.file): \(count == 1 ? "1 key" : "\(count) keys")")
    }
  }

  struct Revoke: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Takes a key out of a list; its owner is parted with within a second.")

    @Argument(help: "The name, or the public key.")
    var name: String

    @OptionGroup var list: ListArgument

    func run() throws {
      var file = try AllowListFile(reading: list.file)
      let entry = try file.remove(name)
      try file.write()
      Terminal.note("the key of \(entry.name) is revoked")
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Shows a list of public keys.")

    @OptionGroup var list: ListArgument

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
      let entries = try AllowListFile(reading: list.file).entries
      if json { return try Output.json(["keys": .array(entries.map(Self.json))]) }
      var table = Table(["name", "added", "public key"], rightAligned: [])
      for entry in entries { table.add([entry.name, entry.added ?? "–", "\(entry.key)"]) }
      for line in table.lines(style: .results) { try Output.line(line) }
    }

    private static func json(_ entry: AllowListFile.Entry) -> JSONText {
      .object([
        ("name", .string(entry.name)), ("added", entry.added.map { .string($0) } ?? .null),
        ("publicKey", .string("\(entry.key)")),
      ])
    }
  }
}
