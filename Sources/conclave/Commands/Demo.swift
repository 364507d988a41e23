import ArgumentParser
import Inference
import Tokenization

/// Shows the whole thing on one machine.
struct Demo: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows a coordinator and two workers answering three questions.",
    discussion: """
      The model inside the command is a small trained one of the DeepSeek-V2 architecture. The \
      workers are processes of their own and talk to this one over ZeroMQ on loopback.
      """)

  @Option(help: ArgumentHelp("Worker processes.", valueName: "count"))
  var workers = 2

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("What to ask instead of the three questions.", valueName: "question"))
  var ask: [String] = []

  @OptionGroup(title: "Computing") var computeArguments: ComputeArguments

  static let questions = [
    "What is a mixture of experts?", "Why are the experts on workers?", "What is 551 + 56?",
  ]

  mutating func validate() throws {
    guard (1...16).contains(workers) else {
      throw ValidationError("--workers must be from 1 to 16, not \(workers)")
    }
  }

  func run() throws {
    let cluster = try ClusterArguments.parse(["--workers", "\(workers)"])
    try ModelSession.withSession(
      DemoModel.path(), ModelArguments.parse([]), cluster, computeArguments
    ) { session in
      let report = DemoReport(session)
      try report.introduce()
      let answers = try answer(ask.isEmpty ? Self.questions : ask, in: session)
      try report.sumUp(answers)
      if answers.contains(where: { $0.finishReason == .cancelled }) { throw Interrupted() }
    }
  }

  private func answer(
    _ questions: [String], in session: ModelSession
  ) throws -> [GenerationSummary] {
    let tokenizer = try session.tokenizer()
    let generator = try session.makeGenerator(capacity: 1024)
    let interrupts = Interrupts()
    defer { interrupts.release() }
    var summaries: [GenerationSummary] = []
    for question in questions where !interrupts.isInterrupted {
      try Output.write("\(Style.results.accent("›")) \(Style.results.bold(question))\n  ")
      let request = GenerationRequest(
        prompt: try tokenizer.encode(chat: [ChatMessage(.user, question)]), maxTokens: 200,
        stopTokens: tokenizer.stopTokens)
      var writer = AnswerWriter(.wrapped(indent: "  ", width: min(Terminal.width ?? 96, 96)))
      summaries.append(try writer.write(request, with: generator, interrupts))
      try Output.line()
    }
    return summaries
  }
}
