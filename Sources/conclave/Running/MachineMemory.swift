import Foundation

/// Memory of this machine, within the limits that this process has.
enum MachineMemory {
  /// What a worker takes for experts unless told otherwise: four fifths of what is available.
  static var forExperts: Int { max(available / 5 * 4, 64 << 20) }

  /// All bytes that this process could ever have.
  static var total: Int {
    min(Int(clamping: ProcessInfo.processInfo.physicalMemory), controlGroupLimit ?? .max)
  }

  /// Bytes that can be used without swapping; 8 GiB where the system does not say.
  static var available: Int {
    let limit = controlGroupLimit.map { max($0 - controlGroupUse, 0) } ?? .max
    return min(systemAvailable ?? 8 << 30, limit)
  }

  private static var systemAvailable: Int? {
    guard let text = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8) else {
      return nil
    }
    let line = text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
  }

  private static var controlGroupLimit: Int? { number("/sys/fs/cgroup/memory.max") }
  private static var controlGroupUse: Int { number("/sys/fs/cgroup/memory.current") ?? 0 }

  private static func number(_ path: String) -> Int? {
    let text = try? String(contentsOfFile: path, encoding: .utf8)
    return text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }
}
