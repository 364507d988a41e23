import Foundation
import TestSupport

/// One text file of the repository.
struct SourceFile: Sendable {
  /// The path from the top of the repository, for example `Sources/Experts/ExpertBank.swift`.
  let path: String
  let lines: [String]
  /// The lines without comments and without the contents of strings, for rules about code.
  let code: [String]

  init(path: String, lines: [String]) {
    self.path = path
    self.lines = lines
    code = path.hasSuffix(".swift") ? CodeOnly.lines(of: lines) : []
  }

  /// The folder below `Sources` or `Tests`.
  var target: String {
    let parts = path.split(separator: "/")
    return parts.count > 2 ? String(parts[1]) : ""
  }

  var name: String { String(path.split(separator: "/").last ?? "") }
  var isSwift: Bool { path.hasSuffix(".swift") }
  var isGenerated: Bool { path.hasPrefix("Sources/CMessages/") }
}

/// The repository that the tests were built from.
enum SourceTree {
  static let top = Fixtures.folder.deletingLastPathComponent().deletingLastPathComponent()

  /// Every Swift and C file of the product.
  static let sources = files(below: "Sources", suffixes: ["swift", "c", "h"])
  static let tests = files(below: "Tests", suffixes: ["swift"])
  /// What people read: documentation, scripts, the wire contract.
  static let texts =
    ["README.md", "CONTRIBUTING.md", "Package.swift", ".ci/run"].compactMap(file(at:))
    + files(below: "Sources", suffixes: ["md"]) + files(below: "deploy") + files(below: "proto")

  static let swiftSources = sources.filter(\.isSwift)

  static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: top.appending(path: path).path)
  }

  static func file(at path: String) -> SourceFile? {
    guard let text = try? String(contentsOf: top.appending(path: path), encoding: .utf8) else {
      return nil
    }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    return SourceFile(path: path, lines: lines.map(String.init))
  }

  private static func files(below folder: String, suffixes: [String]? = nil) -> [SourceFile] {
    let root = top.appending(path: folder).resolvingSymlinksInPath()
    let paths = FileManager.default.subpaths(atPath: root.path) ?? []
    return paths.sorted().compactMap { path in
      let suffix = (path as NSString).pathExtension
      guard suffixes?.contains(suffix) ?? true else { return nil }
      return file(at: "\(folder)/\(path)")
    }
  }
}

/// A place that breaks a rule, and what to do instead.
struct Finding: CustomStringConvertible, Hashable {
  let path: String
  let line: Int
  let advice: String

  var description: String { "\(path):\(line): \(advice)" }
}
