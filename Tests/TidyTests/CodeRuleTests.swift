import Foundation
import Testing

/// Rules about single lines of code.
@Suite struct CodeRuleTests {
  /// Where pointers live: owned buffers, kernel calls, frames, packing of messages.
  static let pointerHomes: Set<String> = ["Tensors", "Kernels", "Transport", "Messages"]

  /// Files elsewhere that may use pointers, each with its reason; shorten this list.
  static let pointerExceptions: [String: String] = [:]

  @Test func `pointers stay in their four homes`() {
    let pattern = /\bUnsafe[A-Za-z]*Pointer\b|\bOpaquePointer\b|\bUnmanaged\b|\bunsafeBitCast\b/
    let files = SourceTree.swiftSources.filter {
      !Self.pointerHomes.contains($0.target) && Self.pointerExceptions[$0.path] == nil
    }
    expectNone(
      of: pattern, in: files,
      advice: "use Span or RawSpan, or move this into Tensors, Kernels, Transport or Messages")
  }

  @Test func `an exception for pointers is still needed`() throws {
    for path in Self.pointerExceptions.keys {
      let file = try #require(SourceTree.file(at: path), "\(path) is gone; remove the exception")
      #expect(
        file.code.contains { $0.contains(/Unsafe[A-Za-z]*Pointer/) },
        "\(path) uses no pointer any more; remove the exception")
    }
  }

  @Test func `only the command prints`() {
    let files = SourceTree.swiftSources.filter { $0.target != "conclave" }
    expectNone(
      of: /(^|[^.A-Za-z])(print|debugPrint|dump|fputs|puts)\(/, in: files,
      advice: "throw an error, log, or return the value; the command decides what is shown")
  }

  /// Files that may end the process, each with its reason.
  static let endingExceptions = [
    "Sources/Tensors/FloatMatrix.swift": "without memory for activations nothing can go on"
  ]

  @Test func `only the command ends the process`() {
    let files = SourceTree.swiftSources.filter {
      $0.target != "conclave" && Self.endingExceptions[$0.path] == nil
    }
    expectNone(
      of: /(^|[^.A-Za-z])(exit|_exit|fatalError)\(/, in: files,
      advice: "throw an error; precondition is for mistakes of the programmer")
  }

  @Test func `no worker is ever broken outside tests`() {
    // `WorkerFaults` has no conformance, and `WorkerOptions.faults` no value, but in tests.
    expectNone(
      of: /:\s*WorkerFaults\b|(options|\$0)\.faults\s*=/, in: SourceTree.swiftSources,
      advice: "what breaks a worker belongs into Tests")
  }

  @Test func `nothing is forced outside tests`() {
    expectNone(of: /\btry!|\bas!/, in: SourceTree.swiftSources, advice: "throw, or use if let")
  }

  @Test func `unchecked Sendable says what guards it`() {
    for file in SourceTree.swiftSources {
      for (index, line) in file.lines.enumerated()
      where file.code[index].contains(/@unchecked Sendable|nonisolated\(unsafe\)/) {
        let explained = line.contains("//") || (index > 0 && file.lines[index - 1].contains("//"))
        let finding = Finding(
          path: file.path, line: index + 1, advice: "say in a comment what makes this safe")
        #expect(explained, "\(finding)")
      }
    }
  }

  private func expectNone(
    of pattern: some RegexComponent, in files: [SourceFile], advice: String
  ) {
    for file in files {
      for (index, line) in file.code.enumerated() where line.contains(pattern) {
        #expect(Bool(false), "\(Finding(path: file.path, line: index + 1, advice: advice))")
      }
    }
  }
}
