public import Foundation

/// The golden files committed under `Tests/Fixtures`.
public enum Fixtures {
  /// The folder that holds every fixture.
  public static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures")

  /// The path of one fixture, for example `gguf/v2-lite-like.gguf`.
  public static func path(_ name: String) -> String {
    folder.appending(path: name).path
  }

  /// The bytes of one fixture.
  public static func data(_ name: String) throws -> Data {
    try Data(contentsOf: folder.appending(path: name))
  }

  /// Little-endian float32 values without a header, as in `logits.f32`.
  public static func floats(_ name: String) throws -> [Float] {
    let data = try data(name)
    return (0..<data.count / 4).map { index in
      let bytes = data[data.startIndex + 4 * index..<data.startIndex + 4 * index + 4]
      return Float(bitPattern: bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }

  /// The demo model that ships with the command.
  public static let demoModel = folder.deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Sources/conclave/Resources/conclave-demo-q8_0.gguf").path
}
