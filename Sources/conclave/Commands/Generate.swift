import ArgumentParser
import Inference
import Tokenization

/// Continues a prompt.
struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Continues a text, streamed as it comes.",
    discussion: """
      Without --temperature the most probable token is taken each time. Ctrl-C ends the answer, \
      prints the summary and exits with 130.
      """)

  @Argument(help: "A GGUF file or a Hugging Face folder.")
  var model: String

  @OptionGroup(title: "Prompt") var promptArguments: PromptArguments

  @Flag(help: "Print one JSON object when the answer is complete.")
  var json = false

  @OptionGroup(title: "Sampling") var samplingArguments: SamplingArguments
  @OptionGroup(title: "Speculation") var speculationArguments: SpeculationArguments
  @OptionGroup(title: "Model") var modelArguments: ModelArguments
  @OptionGroup(title: "Cluster") var clusterArguments: ClusterArguments
  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  func run() throws {
    try promptArguments.check()
    let summary = try ModelSession.withSession(
      model, modelArguments, clusterArguments, computeArguments
    ) { session in
      let prompt = try promptArguments.encode(with: session.tokenizer())
      return try answer(prompt, in: session)
    }
    if summary.finishReason == .cancelled { throw Interrupted() }
  }

  private func answer(
    _ prompt: [TokenID], in session: ModelSession
  ) throws -> GenerationSummary {
    let generator = try session.makeGenerator(speculation: speculationArguments.speculation)
    let room = generator.contextLength - prompt.count
    let request = GenerationRequest(
      prompt: prompt, maxTokens: samplingArguments.tokenLimit(room: room),
      sampling: samplingArguments.parameters(defaultTemperature: 0),
      stopStrings: samplingArguments.stop,
      stopTokens: try samplingArguments.stopTokens(of: session.tokenizer()))
    var answer = AnswerWriter(json ? .silent : promptArguments.chat ? .trimmed : .plain)
    let interrupts = Interrupts()
    defer { interrupts.release() }
    let summary = try answer.write(request, with: generator, interrupts)
    if json {
      try Output.json([
        "text": .string(answer.text), "tokens": .integers(answer.tokens),
        "promptTokens": .integer(summary.promptTokens),
        "prefillTokensPerSecond": .number(summary.prefillTokensPerSecond),
        "decodeTokensPerSecond": .number(summary.decodeTokensPerSecond),
        "finishReason": .string(summary.finishReason.rawValue),
        "seed": .unsigned(summary.seed), "draftedTokens": .integer(summary.draftedTokens),
        "acceptedTokens": .integer(summary.acceptedTokens),
      ])
    }
    Terminal.note(Style.notes.dim(summary.line(isRandom: request.sampling.temperature > 0)))
    return summary
  }
}
