import Foundation
import Serving

/// Finds the files of the web page that ship with the command.
enum PageFolder {
  static let variable = "CONCLAVE_PAGE"

  /// The page: where the environment says, else beside the executable as the build puts it, else in
  /// `../share/conclave/page` as an installation does; nil when it is nowhere.
  static func page() -> PageFiles? {
    let folder = DemoModel.executable.deletingLastPathComponent()
    let candidates: [String?] = [
      ProcessInfo.processInfo.environment[variable],
      folder.appending(path: "conclave_Serving.resources/Page").path,
      folder.appending(path: "../share/conclave/page").standardized.path,
    ]
    return candidates.lazy.compactMap { $0.flatMap { PageFiles(folder: $0) } }.first
  }
}
