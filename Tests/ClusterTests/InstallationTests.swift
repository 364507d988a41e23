import Foundation
import TestSupport
import Testing

extension ClusterTests {
  /// The command elsewhere than where it was built.
  @Suite struct Installation {
    /// A copy of the command in `bin` of a new folder, removed by the caller.
    private func install() throws -> URL {
      let folder = FileManager.default.temporaryDirectory.appending(path: "conclave-\(UUID())")
      try FileManager.default.createDirectory(
        at: folder.appending(path: "bin"), withIntermediateDirectories: true)
      try FileManager.default.copyItem(
        at: URL(filePath: ConclaveCommand.path), to: folder.appending(path: "bin/conclave"))
      return folder
    }

    @Test func `the demo model is found in share`() throws {
      let folder = try install()
      defer { try? FileManager.default.removeItem(at: folder) }
      let share = folder.appending(path: "share/conclave")
      try FileManager.default.createDirectory(at: share, withIntermediateDirectories: true)
      try FileManager.default.copyItem(
        at: URL(filePath: Fixtures.demoModel),
        to: share.appending(path: "conclave-demo-q8_0.gguf"))
      let ended = try ChildProcess(folder.appending(path: "bin/conclave").path, ["demo"]).wait()
      #expect(ended.status == 0, "\(ended.errors)")
      #expect(ended.text.contains("607"))
    }

    @Test func `a demo without its model says where to put it`() throws {
      let folder = try install()
      defer { try? FileManager.default.removeItem(at: folder) }
      let path = folder.appending(path: "bin/conclave").path
      let ended = try ChildProcess(path, ["demo"]).wait()
      #expect(ended.status == 1)
      #expect(ended.errorLines.count == 1, "\(ended.errors)")
      #expect(ended.errors.contains("share/conclave/conclave-demo-q8_0.gguf"))
      #expect(ended.errors.contains("CONCLAVE_DEMO_MODEL"))
      let told = try ChildProcess(
        path, ["demo", "--ask", "What is 6 + 540?"],
        environment: ["CONCLAVE_DEMO_MODEL": Fixtures.demoModel]
      ).wait()
      #expect(told.text.contains("546"))
    }
  }
}
