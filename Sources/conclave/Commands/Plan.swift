import ArgumentParser
import Planning

/// What a cluster would do with a model.
struct Plan: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Predicts what fits on which machines, and how fast it would be.",
    discussion: """
      Loads nothing and connects to nobody. What does not fit is refused with the numbers: exit 1 \
      and one line, with --json also the object, in which fits is false. docs/planning.md has the \
      format of hosts files and how far predictions are to be trusted.
      """)

  @OptionGroup var planning: PlanningArguments

  @Option(
    name: .customLong("prompt-tokens"),
    help: ArgumentHelp("The prompt whose first token is predicted.", valueName: "tokens"))
  var promptTokens = 512

  @Option(help: ArgumentHelp("Sequences that decode together.", valueName: "counts"))
  var batch = CountList([1, 4, 16, 64])

  @Flag(help: "Print one JSON object.")
  var json = false

  mutating func validate() throws {
    guard (1...planning.context).contains(promptTokens) else {
      throw ValidationError(
        "--prompt-tokens must be from 1 to --context \(planning.context), not \(promptTokens)")
    }
    for count in batch.values where !(1...4096).contains(count) {
      throw ValidationError("--batch must be from 1 to 4096, not \(count)")
    }
  }

  func run() throws {
    let model = try planning.plannedModel()
    let cluster = try HostsFile.read(planning.hosts)
    var request = planning.request
    request.promptTokenCount = promptTokens
    request.batches = batch.values
    let planner = Planner(model, request, trace: try planning.trace(for: model))
    let plan: ClusterPlan
    do throws(PlanRefusal) {
      plan = try planner.plan(cluster)
    } catch {
      if json { try Output.line(JSONText.object(PlanJSON.members(error, model)).text) }
      throw error
    }
    if json { return try Output.line(JSONText.object(PlanJSON.members(plan, model, cluster)).text) }
    for line in PlanReport(plan, model, request, cluster).lines { try Output.line(line) }
  }
}
