import Foundation

/// A share of one processor that a process may use, by a control group of the kernel.
struct ProcessorLimit {
  private let folder: URL
  private let parent: URL
  private let process: Int32

  /// Limits a process; nil where this process may not do that.
  init?(process: Int32, percent: Int) {
    let roots = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup"].map {
      URL(filePath: $0, directoryHint: .isDirectory)
    }
    let isOld = FileManager.default.fileExists(atPath: roots[0].appending(path: "tasks").path)
    parent = isOld ? roots[0] : roots[1]
    folder = parent.appending(path: "conclave-\(process)")
    self.process = process
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
      if isOld {
        try Self.write("20000", folder.appending(path: "cpu.cfs_period_us"))
        try Self.write("\(200 * percent)", folder.appending(path: "cpu.cfs_quota_us"))
      } else {
        try Self.write("\(200 * percent) 20000", folder.appending(path: "cpu.max"))
      }
      try Self.write("\(process)", folder.appending(path: "cgroup.procs"))
    } catch {
      try? FileManager.default.removeItem(at: folder)
      return nil
    }
  }

  /// Lets the process use whole processors again.
  func lift() {
    try? Self.write("\(process)", parent.appending(path: "cgroup.procs"))
    for _ in 0..<100 where unsafe rmdir(folder.path) != 0 { usleep(10_000) }
  }

  private static func write(_ text: String, _ file: URL) throws {
    let handle = try FileHandle(forWritingTo: file)
    try handle.write(contentsOf: Data(text.utf8))
    try handle.close()
  }
}
