import ArgumentParser
import Inference
import Tokenization

/// A conversation in the terminal.
struct Chat: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Holds a conversation, with a model here or with a server.",
    usage: """
      conclave chat <model> [<options>]
      conclave chat --server <url> [--key-file <file>] [<options>]
      """,
    discussion: """
      One line is one message. \(ChatLine.explanation) Ctrl-C ends the answer that is being written; at \
      the prompt it ends the conversation, as the end of the input does.
      """)

  @Argument(help: "A GGUF file or a Hugging Face folder.")
  var model: String?

  @Option(help: ArgumentHelp("What the model is told first.", valueName: "text"))
  var system: String?

  @Option(
    name: .customLong("chat-format"),
    help: ArgumentHelp(
      "The format, instead of the one that the model asks for.", valueName: "format"))
  var chatFormat: ChatFormat?

  @OptionGroup(title: "Server") var serverArguments: ServerArguments
  @OptionGroup(title: "Sampling") var samplingArguments: SamplingArguments
  @OptionGroup(title: "Speculation") var speculationArguments: SpeculationArguments
  @OptionGroup(title: "Model") var modelArguments: ModelArguments
  @OptionGroup(title: "Cluster") var clusterArguments: ClusterArguments
  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  /// Varied enough for conversation; the makers of the V2 models recommend it.
  static let defaultTemperature: Float = 0.3

  mutating func validate() throws {
    guard model == nil || serverArguments.server == nil else {
      throw ValidationError("a model and --server exclude each other; give one of them")
    }
  }

  func run() throws {
    if let address = try serverArguments.address() {
      let partner = try ServerPartner(address, arguments: samplingArguments)
      return try Conversation(with: partner, system: system).run()
    }
    guard let model else {
      throw ValidationError("Missing expected argument '<model>', or --server")
    }
    try ModelSession.withSession(
      model, modelArguments, clusterArguments, computeArguments
    ) { session in
      let partner = try ModelPartner(
        session, format: chatFormat, arguments: samplingArguments,
        speculation: speculationArguments.speculation)
      try Conversation(with: partner, system: system).run()
    }
  }
}
