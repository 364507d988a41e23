import ArgumentParser
import DeepSeek
import Foundation
import Inference
import Tokenization

/// How well a model predicts a text.
struct Perplexity: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures how well a model predicts a text.",
    discussion: """
      The text is cut into windows of tokens, each run with one begin-of-sequence token in front; \
      every token of a window counts. Lower is better; 1 is certainty.
      """)

  @Argument(help: "A GGUF file or a Hugging Face folder.")
  var model: String

  @Option(help: ArgumentHelp("The text, in UTF-8.", valueName: "file"))
  var file: String

  @Option(help: ArgumentHelp("Tokens in a window, without the one in front.", valueName: "tokens"))
  var window = 511

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup(title: "Model") var modelArguments: ModelArguments
  @OptionGroup(title: "Cluster") var clusterArguments: ClusterArguments
  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  mutating func validate() throws {
    guard (1...1_048_576).contains(window) else {
      throw ValidationError("--window must be from 1 to 1048576 tokens, not \(window)")
    }
  }

  func run() throws {
    let text = try TextFile.read(file)
    guard !text.isEmpty else { throw CommandFailure("\(file): is empty; give a file with a text") }
    let result = try ModelSession.withSession(
      model, modelArguments, clusterArguments, computeArguments
    ) { session in
      let tokenizer = try session.tokenizer()
      let tokens = tokenizer.encode(text, addBOS: false)
      let context = session.configuration.contextLength
      // A window runs without its last token, and with the one in front.
      let longest = min(window, tokens.count) - (tokenizer.bos == nil ? 1 : 0)
      guard longest <= context else {
        throw CommandFailure("--window \(window) is longer than the model's context of \(context)")
      }
      let bar = ProgressBar("measuring")
      defer { bar.finish() }
      return try session.makeGenerator(capacity: window + 1).perplexity(
        of: tokens, window: window, bos: tokenizer.bos
      ) { count, _ in
        bar.update(Double(count) / Double(tokens.count))
      }
    }
    if json {
      try Output.json([
        "perplexity": .number(result.value), "tokens": .integer(result.tokens),
        "window": .integer(window),
      ])
    } else {
      let value = String(format: "%.4f", result.value)
      try Output.line("perplexity \(value) over \(result.tokens) tokens")
    }
  }
}
