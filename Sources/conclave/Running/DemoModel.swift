import Foundation

/// Finds the model that ships with the command.
enum DemoModel {
  static let fileName = "conclave-demo-q8_0.gguf"
  static let variable = "CONCLAVE_DEMO_MODEL"

  /// The path of the file: what the environment says, else beside the executable as the build puts
  /// it, else in `../share/conclave` as an installation does.
  static func path() throws -> String {
    if let path = ProcessInfo.processInfo.environment[variable], !path.isEmpty { return path }
    let folder = executable.deletingLastPathComponent()
    let candidates = [
      folder.appending(path: "conclave_conclave.resources/\(fileName)"),
      folder.appending(path: "../share/conclave/\(fileName)").standardized,
    ]
    guard let found = candidates.first(where: { FileManager.default.fileExists(atPath: $0.path) })
    else {
      throw CommandFailure(
        "the demo model was not found; put \(fileName) at \(candidates[1].path), or say where it"
          + " is with \(variable)")
    }
    return found.path
  }

  /// The file that this process runs, links resolved.
  static var executable: URL {
    let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(filePath: link ?? CommandLine.arguments[0])
  }
}
