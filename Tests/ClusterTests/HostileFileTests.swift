import Foundation
import TestSupport
import Testing

extension ClusterTests {
  /// Malformed files through the command: exit 1, one line, fast, small.
  @Suite struct HostileFiles {
    struct Row: Decodable, CustomTestStringConvertible {
      let path: String
      let kind: String
      var testDescription: String { path }
    }

    static let rows: [Row] = {
      guard let manifest = try? Fixtures.data("hostile/manifest.json") else { return [] }
      return (try? JSONDecoder().decode([Row].self, from: manifest)) ?? []
    }()

    @Test func `the table of malformed files is read`() { #expect(Self.rows.count == 73) }

    @Test(arguments: rows) func `logits refuses a malformed file with one line`(row: Row) throws {
      let ended = try bounded(["logits", Fixtures.path("hostile/\(row.path)"), "--tokens", "1"])
      try expectRefusal(ended, row, required: row.kind != "control")
    }

    @Test(arguments: rows) func `inspect refuses a malformed file with one line`(row: Row) throws {
      let ended = try bounded(["inspect", Fixtures.path("hostile/\(row.path)")])
      if row.kind == "model", ended.status == 0 { return }
      try expectRefusal(ended, row, required: row.kind != "control")
    }

    /// Runs the command with at most 200 MB of writable memory, code and read-only data aside.
    private func bounded(_ arguments: [String]) throws -> ChildProcess.Ended {
      let script = "ulimit -d 195000 && exec \"$0\" \"$@\""
      return try ChildProcess("/bin/sh", ["-c", script, ConclaveCommand.path] + arguments).wait()
    }

    private func expectRefusal(_ ended: ChildProcess.Ended, _ row: Row, required: Bool) throws {
      guard required else {
        #expect(ended.status == 0, "\(row.path): \(ended.errors)")
        return
      }
      #expect(ended.status == 1, "\(row.path): \(ended.errors)")
      #expect(ended.errorLines.count == 1, "\(row.path): \(ended.errors)")
      #expect((ended.errorLines.first?.count ?? 0) < 400, "\(row.path): \(ended.errors)")
      #expect(ended.output.isEmpty, "\(row.path)")
      #expect(ended.processorTime < .seconds(1), "\(row.path)")
    }

    @Test func `a file that is not there is one line`() throws {
      let line = try ConclaveCommand.failure(["inspect", "no-such-file.gguf"])
      #expect(line.contains("no-such-file.gguf"))
    }

    @Test func `a special file does not hang the reader`() throws {
      for path in ["/dev/null", "/dev/zero", "/"] {
        #expect(try ConclaveCommand.failure(["inspect", path]).contains(path))
      }
    }
  }
}
