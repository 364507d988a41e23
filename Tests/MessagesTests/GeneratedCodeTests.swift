import Foundation
import Testing

@Suite struct GeneratedCodeTests {
  /// The committed C must be what protoc-c makes of `proto/conclave.proto`.
  @Test func `the committed C is freshly generated`() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let fresh = FileManager.default.temporaryDirectory
      .appending(path: "conclave-proto-\(UInt64.random(in: 0 ... .max))")
    defer { try? FileManager.default.removeItem(at: fresh) }
    let process = Process()
    process.executableURL = root.appending(path: "proto/generate")
    process.arguments = [fresh.path]
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    for file in ["conclave.pb-c.c", "include/conclave.pb-c.h"] {
      let committed = try Data(
        contentsOf: root.appending(path: "Sources/CMessages").appending(path: file))
      let generated = try Data(contentsOf: fresh.appending(path: file))
      #expect(committed == generated, "run proto/generate and commit \(file)")
    }
  }
}
