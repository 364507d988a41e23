import ArgumentParser
import Inference

/// Whether several tokens are tried at once.
struct SpeculationArguments: ParsableArguments {
  @Option(
    name: .customLong("speculate"),
    help: ArgumentHelp(
      "Tokens to guess from how the text went on before, and to verify in one step: off, auto (as "
        + "many as pay), or a number up to \(Speculation.mostDrafts). The answer is the same.",
      valueName: "count"))
  var speculation = Speculation.automatic
}
