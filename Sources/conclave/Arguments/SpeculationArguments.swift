public import ArgumentParser
public import Inference

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

extension Speculation: ExpressibleByArgument {
  /// `off`, `auto`, or a number of drafts.
  public init?(argument: String) {
    switch argument {
    case "off": self = .off
    case "auto": self = .automatic
    default:
      guard let count = Int(argument), (1...Self.mostDrafts).contains(count) else { return nil }
      self = .fixed(count)
    }
  }

  /// As on the command line.
  public var defaultValueDescription: String {
    switch self {
    case .off: "off"
    case .automatic: "auto"
    case .fixed(let count): "\(count)"
    }
  }
}
