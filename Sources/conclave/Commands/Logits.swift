import ArgumentParser
import Inference
import Tensors

/// Logits of every position.
struct Logits: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints the logits of every position.",
    discussion: """
      The ids are run as they are, without adding a begin-of-sequence token. Each logit is printed \
      with as many digits as it takes to read the same float32 back.
      """)

  @Argument(help: "A GGUF file or a Hugging Face folder.")
  var model: String

  @Option(help: ArgumentHelp("Token ids, separated by commas.", valueName: "ids"))
  var tokens: TokenList

  @Flag(help: "Print one JSON object instead of a line per position.")
  var json = false

  @OptionGroup(title: "Model") var modelArguments: ModelArguments
  @OptionGroup(title: "Cluster") var clusterArguments: ClusterArguments
  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  func run() throws {
    try ModelSession.withSession(
      model, modelArguments, clusterArguments, computeArguments
    ) { session in
      json ? try writeJSON(session) : try writeLines(session)
    }
  }

  private func writeLines(_ session: ModelSession) throws {
    try session.logits(of: tokens.tokens) { row in
      try Output.line(row.indices.map { "\(row[$0])" }.joined(separator: " "))
    }
  }

  private func writeJSON(_ session: ModelSession) throws {
    var rows: [JSONText] = []
    try session.logits(of: tokens.tokens) { row in
      rows.append(.floats(row.indices.map { row[$0] }))
    }
    try Output.json(["tokens": .integers(tokens.tokens), "logits": .array(rows)])
  }
}
