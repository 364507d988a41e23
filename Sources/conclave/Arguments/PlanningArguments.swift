import ArgumentParser
import Foundation
import Kernels
import ModelFiles
import Placement
import Planning
import Synthesis

/// A model and a cluster to be planned, neither of which has to be there.
struct PlanningArguments: ParsableArguments {
  @Argument(
    help: """
      A GGUF file, a Hugging Face folder, or the name of a public model as `synthesize` has it.
      """)
  var model: String

  @Option(
    help: ArgumentHelp(
      "The machines, in YAML; `worker --describe` prints a machine's entry.", valueName: "file"))
  var hosts: String

  @Option(
    help: ArgumentHelp(
      "How the weights of a model that is only a name are stored.", valueName: "type"))
  var quantization = Quantization.q4KM

  @Option(
    help: ArgumentHelp(
      "Fewer layers than a model that is only a name has.", valueName: "count"))
  var layers: Int?

  @Option(
    help: ArgumentHelp(
      "Tokens that a prompt and its answer may have together.", valueName: "tokens"))
  var context = 8192

  @Option(
    help: ArgumentHelp("Sequences with room for as many at the same time.", valueName: "count"))
  var sequences = 1

  @Option(
    help: ArgumentHelp(
      "Workers that hold each expert group, so that one may fail.", valueName: "count"))
  var replicas = 1

  @Option(
    name: .customLong("shared-experts"),
    help: ArgumentHelp(
      "Who computes the experts that every token uses: coordinator or workers.",
      valueName: "place"))
  var sharedExperts = SharedExpertsPlace.coordinator

  @Option(
    name: .customLong("step-tokens"),
    help: ArgumentHelp("Prompt tokens that are run in one step.", valueName: "tokens"))
  var stepTokens = 512

  @Option(
    name: .customLong("kv-format"),
    help: ArgumentHelp(
      "How keys and values are stored. (default: as the engine would)", valueName: "format"))
  var kvFormat: ModelArguments.CacheFormat?

  @Option(
    name: .customLong("routing-trace"),
    help: ArgumentHelp(
      "Which experts tokens used, recorded with --record-routing. (default: by chance)",
      valueName: "file"))
  var routingTrace: String?

  mutating func validate() throws {
    try check(layers ?? 1, "--layers", in: 1...1000)
    try check(context, "--context", in: 1...16_777_216)
    try check(sequences, "--sequences", in: 1...65_536)
    try check(replicas, "--replicas", in: 1...16)
    try check(stepTokens, "--step-tokens", in: 1...4096)
    guard sharedExperts != .auto else {
      throw ValidationError(
        "--shared-experts auto asks machines that run; here it must be coordinator or workers")
    }
  }

  private func check(_ value: Int, _ option: String, in range: ClosedRange<Int>) throws {
    guard range.contains(value) else {
      throw ValidationError(
        "\(option) must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
    }
  }

  /// The model, with its shared experts where they shall be.
  func plannedModel() throws -> PlannedModel {
    let model = try namedModel()
    guard sharedExperts == .workers else { return model }
    guard let moved = model.movingShared else {
      throw CommandFailure(
        "\(self.model): --shared-experts workers is for models with shared experts that read what "
          + "routed ones are sent; leave it out")
    }
    return moved
  }

  /// The model: a file if there is one of that name, else a public model.
  private func namedModel() throws -> PlannedModel {
    if let geometry = Geometry.named(model), !FileManager.default.fileExists(atPath: model) {
      return try PlannedModel(layers.map { geometry.withLayers($0) } ?? geometry, quantization)
    }
    if layers != nil {
      throw CommandFailure("\(model): --layers is for models that are only a name")
    }
    guard FileManager.default.fileExists(atPath: model) else {
      throw CommandFailure(
        "\(model): there is no such file, nor a public model of that name; `conclave synthesize "
          + "--help` lists those")
    }
    return try PlannedModel(try ModelArchive.open(model))
  }

  var request: PlanRequest {
    var request = PlanRequest()
    request.contextLength = context
    request.sequenceCount = sequences
    request.stepTokenCount = stepTokens
    request.replicaCount = replicas
    request.kvFormat = kvFormat?.format
    return request
  }

  /// The recording of --routing-trace; nil without one.
  func trace(for model: PlannedModel) throws -> RoutingTrace? {
    guard let routingTrace, let experts = model.experts else { return nil }
    return try RoutingFile.read(routingTrace, for: experts)
  }
}
