import Testing

/// Sizes at which reading stays a pleasure; the lists are ratchets, none of them grows.
@Suite struct SizeTests {
  static let functionLimit = 70
  static let fileLimit = 500

  /// Longer functions, each with the length it may not exceed.
  static let longFunctions: [String: Int] = [:]
  /// Longer files, each with the length it may not exceed.
  static let longFiles: [String: Int] = [:]

  @Test func `a function fits on a screen`() {
    for file in SourceTree.swiftSources {
      for function in Functions.all(in: file) {
        let limit = Self.longFunctions["\(file.path) \(function.name)"] ?? Self.functionLimit
        let finding = Finding(
          path: file.path, line: function.line,
          advice: "\(function.name) has \(function.length) lines, at most \(limit) are allowed;"
            + " move plain work into functions of its own")
        #expect(function.length <= limit, "\(finding)")
      }
    }
  }

  @Test func `a file is one room`() {
    for file in SourceTree.swiftSources {
      let limit = Self.longFiles[file.path] ?? Self.fileLimit
      let count = file.lines.count
      #expect(count <= limit, "\(file.path) has \(count) lines; split it by topic")
    }
  }

  @Test func `nine in ten files and functions are short`() {
    let files = SourceTree.swiftSources.map(\.lines.count).sorted()
    let functions = SourceTree.swiftSources.flatMap(Functions.all).map(\.length).sorted()
    #expect(files.count > 20, "the sources were not found")
    guard !files.isEmpty, !functions.isEmpty else { return }
    #expect(files[files.count * 9 / 10] <= 300)
    #expect(functions[functions.count * 9 / 10] <= 30)
  }

  @Test func `functions are measured from brace to brace`() {
    let file = SourceFile(
      path: "Sources/A/B.swift",
      lines: ["func first() { \"{\" }", "init(", "  a: Int", ") {", "  if a { } // }", "}"])
    #expect(Functions.all(in: file).map(\.length) == [1, 5])
    #expect(Functions.all(in: file).map(\.name) == ["first", "init"])
  }
}

/// Finds functions and initialisers by counting braces.
enum Functions {
  struct Extent { let name: String; let line: Int; let length: Int }

  static func all(in file: SourceFile) -> [Extent] {
    let code = file.code
    return code.indices.compactMap { index in
      guard let name = declaredName(code[index]), let end = closingLine(code, from: index) else {
        return nil
      }
      return Extent(name: name, line: index + 1, length: end - index + 1)
    }
  }

  private static func declaredName(_ line: String) -> String? {
    if let match = line.firstMatch(of: /\bfunc ([A-Za-z0-9_]+)/) { return String(match.1) }
    return line.contains(/^\s*([a-z]+ )*init[?(<]/) ? "init" : nil
  }

  /// The line of the brace that closes the body; nil for a requirement of a protocol.
  private static func closingLine(_ code: [String], from start: Int) -> Int? {
    var depth = 0
    var parentheses = 0
    for index in start..<code.count {
      for character in code[index] {
        switch character {
        case "(": parentheses += 1
        case ")": parentheses -= 1
        case "{": depth += 1
        case "}":
          depth -= 1
          if depth == 0 { return index }
          if depth < 0 { return nil }
        default: break
        }
      }
      let next = code.indices.contains(index + 1) ? code[index + 1] : ""
      if depth == 0, parentheses == 0, !next.contains("{"), !next.hasPrefix("  ") { return nil }
      if depth == 0, parentheses == 0, declaredName(next) != nil { return nil }
    }
    return nil
  }
}
