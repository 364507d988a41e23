import Foundation
import Testing

/// Rules about words, in code and in texts.
@Suite struct WordTests {
  @Test func `nothing is left to be fixed later`() {
    let marks = ["FIX" + "ME", "TO" + "DO", "XX" + "X", "HA" + "CK"]
    for file in SourceTree.sources + SourceTree.tests + SourceTree.texts {
      for (index, line) in file.lines.enumerated() {
        let words = line.split { !$0.isLetter }
        for mark in marks where words.contains(Substring(mark)) {
          let finding = Finding(
            path: file.path, line: index + 1, advice: "finish it, or open an issue and name it")
          #expect(Bool(false), "\(finding)")
        }
      }
    }
  }

  @Test func `no text names a folder of one machine`() {
    for file in SourceTree.sources + SourceTree.tests + SourceTree.texts {
      for (index, line) in file.lines.enumerated()
      where line.contains(/(^|[\s"'`(=])\/(home|root|work|Users|mnt)\//) {
        let finding = Finding(
          path: file.path, line: index + 1, advice: "use a path that everybody has")
        #expect(Bool(false), "\(finding)")
      }
    }
  }

  @Test func `names say what things are`() {
    let vague = ["Util", "Helper", "Common", "Manager", "Misc", "Stuff"]
    for file in SourceTree.sources {
      for word in vague {
        #expect(!file.name.contains(word), "\(file.path): name it after what it holds")
        #expect(!file.target.contains(word), "\(file.path): name the target after what it holds")
      }
    }
  }

  @Test func `checkpoint spellings stand in one file of a target`() {
    let spelling = /[qk]v?_[ab]_proj|gate_up_proj|ffn_(gate|up|down)_exps|attn_kv_a_mqa/
    let homes = SourceTree.swiftSources.filter {
      $0.lines.contains { $0.contains(spelling) } && $0.target != "Synthesis"
    }
    for file in homes {
      #expect(
        file.name.hasSuffix("WeightNames.swift"),
        "\(file.path): checkpoint spellings belong into a file named …WeightNames.swift")
    }
  }

  @Test func `links in the texts lead somewhere`() {
    for file in SourceTree.texts where file.path.hasSuffix(".md") {
      let folder = file.path.split(separator: "/").dropLast().joined(separator: "/")
      for (index, line) in file.lines.enumerated() {
        for match in line.matches(of: /\]\(([^)#:]+)(#[^)]*)?\)/) {
          let target = folder.isEmpty ? String(match.1) : "\(folder)/\(match.1)"
          let finding = Finding(
            path: file.path, line: index + 1, advice: "\(match.1) does not exist")
          #expect(SourceTree.exists(target), "\(finding)")
        }
      }
    }
  }
}
