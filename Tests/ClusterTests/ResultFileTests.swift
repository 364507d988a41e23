import Foundation
import Glibc
import TestSupport
import Testing

extension ClusterTests {
  /// Files that options name for results.
  @Suite struct ResultFiles {
    let folder: URL

    init() throws {
      folder = FileManager.default.temporaryDirectory.appending(path: "conclave-\(UUID())")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func path(_ name: String) -> String { folder.appending(path: name).path }

    private func kind(_ path: String) -> mode_t {
      var status = stat()
      return unsafe lstat(path, &status) == 0 ? status.st_mode & S_IFMT : 0
    }

    private func size(_ path: String) -> Int {
      var status = stat()
      return unsafe stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    private func record(_ path: String) throws -> ChildProcess.Ended {
      try ConclaveCommand.run([
        "generate", Fixtures.demoModel, "--tokens", "1,2,3", "--max-tokens", "4",
        "--record-routing", path,
      ])
    }

    /// A rename put a file in the place of the link, and of the pipe, whose reader waited forever.
    @Test func `a link stays, and a pipe is written to`() throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      try Data("old".utf8).write(to: folder.appending(path: "file"))
      try FileManager.default.createSymbolicLink(
        atPath: path("link"), withDestinationPath: path("file"))
      #expect(try record(path("link")).status == 0)
      #expect(kind(path("link")) == S_IFLNK)
      let written = try Data(contentsOf: folder.appending(path: "file"))
      #expect(written.count > 20)
      unsafe mkfifo(path("pipe"), 0o600)
      let reader = try ChildProcess("/bin/cat", [path("pipe")])
      #expect(try record(path("pipe")).status == 0)
      #expect(reader.wait(limit: .seconds(20)).output == written)
      #expect(kind(path("pipe")) == S_IFIFO)
    }

    /// Ctrl-C left as much of it as was written.
    @Test func `an interrupted model file is removed`() throws {
      defer { try? FileManager.default.removeItem(at: folder) }
      let file = path("model.gguf")
      let command = try ConclaveCommand.start([
        "synthesize", "deepseek-v2-lite", file, "--layers", "6",
      ])
      let isUnderWay = ChildProcess.waits(upTo: .seconds(20)) {
        size(file + ".partial") > 16 << 20
      }
      #expect(isUnderWay)
      command.signal(SIGINT)
      let ended = command.wait(limit: .seconds(20))
      #expect(ended.status == 130, "\(ended.errors)")
      #expect(ended.errorLines == ["\(file) is not complete, and was removed"])
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    /// It was found out when the work was done, and the exit status was 0.
    @Test func `a recording that cannot be written is an error, before the model is loaded`() throws
    {
      defer { try? FileManager.default.removeItem(at: folder) }
      for call in [["generate", "--tokens", "1"], ["serve", "--http", "127.0.0.1:0"]] {
        let ways = [
          (path("none/trace"), "cannot be written; check its folder"),
          (folder.path, "cannot be written: it is a folder; name a file in it"),
        ]
        for (file, problem) in ways {
          #expect(
            try ConclaveCommand.failure(
              [call[0], Fixtures.demoModel, "--record-routing", file] + call.dropFirst())
              == "conclave: \(file): \(problem)")
        }
      }
      try FileManager.default.createSymbolicLink(
        atPath: path("link"), withDestinationPath: path("none/trace"))
      let ended = try record(path("link"))
      #expect(ended.status == 1)
      #expect(ended.errorLines.last?.hasPrefix("conclave: \(path("link")): cannot be") == true)
    }
  }
}
