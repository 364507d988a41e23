public import ArgumentParser
public import Kernels
public import Serving
public import Synthesis
public import Tokenization

// Types of other targets that stand on the command line by their names.

extension KernelVariant: ExpressibleByArgument {}
extension ChatFormat: ExpressibleByArgument {}
extension APIKey.Priority: ExpressibleByArgument {}

extension Quantization: ExpressibleByArgument {
  /// Nil unless it is a mix's name, in capitals or not: `Q4_K_M`.
  public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

extension Geometry: ExpressibleByArgument {
  /// Nil unless it is the name of a public model.
  public init?(argument: String) {
    guard let geometry = Geometry.named(argument) else { return nil }
    self = geometry
  }

  /// The names that exist, for help and errors.
  public static var allValueStrings: [String] { all.map(\.name) }
}
