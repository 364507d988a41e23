import Testing

/// Imports point down, and only along these arrows.
@Suite struct ImportTests {
  /// The arrows of the manifest: what each target stands on.
  static let arrows: [String: Set<String>] = [
    "Tensors": [],
    "Kernels": ["CKernels", "Tensors"],
    "ModelFiles": ["Tensors"],
    "Synthesis": ["ModelFiles", "Tensors"],
    "Tokenization": ["ModelFiles"],
    "Experts": ["Kernels", "ModelFiles", "Tensors"],
    "DeepSeek": ["Experts", "Kernels", "ModelFiles", "Tensors"],
    "Placement": ["Experts"],
    "Planning": ["DeepSeek", "Experts", "Kernels", "Placement", "Synthesis"],
    "Messages": ["CMessages", "Experts", "Placement"],
    "Transport": ["CZeroMQ"],
    "CommandSettings": [],
    "Telemetry": [],
    "LinkEmulation": ["CLinux", "Telemetry", "Transport"],
    "Worker": cluster,
    "Coordinator": cluster,
    "Inference": ["DeepSeek", "Experts", "Kernels", "Telemetry", "Tensors", "Tokenization"],
    "Simulation": ["Coordinator", "Inference", "Planning"],
    "Constraints": ["Inference", "ModelFiles", "Tokenization"],
    "Serving": ["Constraints", "Inference", "Tokenization"],
    "conclave": cluster.union([
      "CommandSettings", "Coordinator", "DeepSeek", "Inference", "LinkEmulation", "ModelFiles",
      "Planning", "Serving", "Simulation", "Synthesis", "Tensors", "Tokenization", "Worker",
    ]),
    "CMessages": ["CProtobufC"],
  ]

  private static let cluster: Set<String> = [
    "Messages", "Transport", "Placement", "Experts", "Kernels", "Telemetry",
  ]

  /// C modules that one target each wraps for all others.
  static let wrapped: [String: String] = [
    "CKernels": "Kernels", "CLinux": "LinkEmulation", "CZeroMQ": "Transport",
    "CMessages": "Messages",
    "CProtobufC": "Messages",
  ]

  /// Modules that no target of ours needs a reason for.
  static let standard: Set<String> = [
    "Foundation", "FoundationEssentials", "Dispatch", "Glibc", "Musl", "Darwin", "Synchronization",
  ]

  /// What comes from other packages, and who may use it.
  static let external: [String: Set<String>] = [
    "ArgumentParser": ["conclave"],
    "AsyncHTTPClient": ["conclave"],
    "Crypto": ["Inference", "ModelFiles", "Serving"],
    "Histogram": ["Telemetry"],
    "Hummingbird": ["Serving"],
    "HummingbirdCore": ["Serving"],
    "HTTPTypes": ["Serving"],
    "HummingbirdTLS": ["Serving"],
    "NIOCore": ["Serving", "conclave"],
    "NIOHTTP1": ["conclave"],
    "NIOPosix": ["conclave"],
    "NIOHTTPTypes": ["Serving"],
    "NIOSSL": ["Serving", "conclave"],
    "Yams": ["CommandSettings", "conclave"],
    "Logging": ["Coordinator", "Serving", "Worker", "conclave"],
    "ServiceLifecycle": ["Serving", "conclave"],
    "UnixSignals": ["conclave"],
  ]

  @Test func `every import is along an arrow`() {
    for file in SourceTree.swiftSources {
      for (index, line) in file.code.enumerated() {
        guard let module = Self.importedModule(line) else { continue }
        let finding = Finding(
          path: file.path, line: index + 1,
          advice: "\(file.target) may not import \(module); see the arrows in Sources/README.md")
        #expect(Self.mayImport(module, file.target), "\(finding)")
      }
    }
  }

  @Test func `every target has its arrows and its line in the architecture page`() throws {
    let targets = Set(SourceTree.swiftSources.map(\.target))
    #expect(targets.subtracting(Self.arrows.keys).isEmpty, "a new target needs arrows here")
    let page = try #require(SourceTree.file(at: "Sources/README.md")).lines.joined(separator: "\n")
    for target in targets {
      #expect(page.contains("`\(target)`"), "Sources/README.md has no line for \(target)")
    }
  }

  private static func mayImport(_ module: String, _ target: String) -> Bool {
    if standard.contains(module) { return true }
    if let users = external[module] { return users.contains(target) }
    if let wrapper = wrapped[module] { return wrapper == target }
    return reachable(from: target).contains(module)
  }

  /// Everything below a target: what an arrow leads to may be named, too.
  private static func reachable(from target: String) -> Set<String> {
    (arrows[target] ?? []).reduce(into: []) { found, next in
      found.formUnion(reachable(from: next).union([next]))
    }
  }

  /// The module of an import line, whatever stands before `import`.
  static func importedModule(_ line: String) -> String? {
    let words = line.split(separator: " ")
    guard let keyword = words.firstIndex(of: "import"),
      words[..<keyword].allSatisfy({ $0.hasPrefix("@") || modifiers.contains($0) })
    else { return nil }
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let"]
    let name = words[(keyword + 1)...].first { !kinds.contains($0) }
    return name?.split(separator: ".").first.map(String.init)
  }

  private static let modifiers: Set<Substring> = ["public", "package", "internal", "private"]

  @Test(arguments: [
    ("import Tensors", "Tensors"), ("public import Foundation", "Foundation"),
    ("@preconcurrency import Crypto", "Crypto"), ("import struct Glibc.timespec", "Glibc"),
    ("let important = 1", nil),
  ])
  func `an import line is understood`(line: String, module: String?) {
    #expect(Self.importedModule(line) == module)
  }
}
