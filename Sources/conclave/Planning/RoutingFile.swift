import Experts
import Foundation
import Placement

/// Recordings of routing on disk.
enum RoutingFile {
  /// Reads a recording.
  ///
  /// - Throws: One line that names the file.
  static func read(_ path: String) throws -> RoutingTrace {
    let data: Data
    do {
      let handle = try FileHandle(forReadingFrom: URL(filePath: path))
      defer { try? handle.close() }
      data = try handle.read(upToCount: RoutingTrace.maximumByteCount + 1) ?? Data()
    } catch {
      throw CommandFailure("\(path): the routing recording cannot be read")
    }
    do throws(RoutingTraceError) {
      return try RoutingTrace(bytes: Array(data))
    } catch {
      throw CommandFailure("\(path): \(error)")
    }
  }

  /// Reads a recording of a model with such experts.
  ///
  /// - Throws: One line that names the file.
  static func read(_ path: String, for experts: ExpertGeometry) throws -> RoutingTrace {
    let trace = try read(path)
    guard trace.fits(experts) else {
      throw CommandFailure(
        "\(path): was recorded with another model: \(trace.layerCount) layers of "
          + "\(trace.expertCount) experts; record again with this one")
    }
    return trace
  }

  /// Writes a recording.
  ///
  /// - Throws: One line that names the file.
  static func write(_ trace: RoutingTrace, to path: String) throws {
    try ResultFile.write(Data(trace.bytes), to: path)
  }
}
