import ArgumentParser
import Synthesis

/// Writes a model file with random weights.
struct Synthesize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes a model file with the shape of a public model and random weights.",
    discussion: """
      For sizing a cluster before downloading anything: memory and speed are those of the real \
      model, the text is noise.
      """)

  @Argument(help: "The public model whose shape to take.")
  var geometry: Geometry

  @Argument(help: "The GGUF file to write.")
  var out: String

  @Option(help: ArgumentHelp("Fewer layers than the model has.", valueName: "count"))
  var layers: Int?

  @Option(help: ArgumentHelp("Another number of routed experts per layer.", valueName: "count"))
  var experts: Int?

  @Option(help: ArgumentHelp("How weights are stored.", valueName: "type"))
  var quantization = Quantization.q4KM

  @Option(help: ArgumentHelp("Other weights.", valueName: "number"))
  var seed: UInt64 = 1

  @Flag(help: "Replace a file that exists.")
  var force = false

  mutating func validate() throws {
    if let layers, !(1...1000).contains(layers) {
      throw ValidationError("--layers must be from 1 to 1000, not \(layers)")
    }
    if let experts, geometry.withExperts(experts) == nil {
      throw ValidationError(
        "--experts \(experts) does not fit \(geometry.name); it needs at least as many as a token "
          + "uses, in groups of equal size")
    }
  }

  func run() throws {
    if !force, TextFile.exists(out) {
      throw CommandFailure("\(out): exists; give another name, or --force to replace it")
    }
    let bar = ProgressBar("writing \(out)")
    defer { bar.finish() }
    var model = layers.map { geometry.withLayers($0) } ?? geometry
    if let experts, let changed = model.withExperts(experts) { model = changed }
    let interrupts = Interrupts()
    defer { interrupts.release() }
    let isComplete = try synthesize(
      model, quantization: quantization, seed: seed, to: out,
      progress: { bar.update($0) }, isCancelled: { interrupts.isInterrupted })
    bar.finish()
    guard isComplete else {
      Terminal.note("\(out) is not complete, and was removed")
      throw Interrupted()
    }
    Terminal.note("\(out): \(Quantity.bytes(model.fileByteCount(quantization)))")
  }
}
