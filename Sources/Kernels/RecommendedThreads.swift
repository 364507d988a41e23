internal import CKernels
internal import Glibc

extension ThreadTeam {
  /// Processors this process may use: its affinity mask, which cpusets narrow, cut to the quota of
  /// its control group.
  public static let recommendedThreadCount: Int = {
    let allowed = Int(ck_allowed_processors())
    guard let quota = ProcessorQuota.tightest(text: text(of:)) else { return allowed }
    return max(1, min(allowed, Int(quota.rounded(.up))))
  }()

  /// The start of a small system file.
  private static func text(of path: String) -> String? {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { _ = close(file) }
    return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4096) { buffer in
      let count = unsafe read(file, buffer.baseAddress, buffer.count)
      return count > 0 ? unsafe String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
  }
}

/// How much processor time a control group may use.
///
/// Source: the kernel's `cgroup-v2.rst` (`cpu.max`) and `sched-bwc.rst` (`cpu.cfs_quota_us`).
package enum ProcessorQuota {
  private static let root = "/sys/fs/cgroup"

  /// Processors' worth of time that this process's groups and their parents leave it; nil when
  /// nothing limits it.
  ///
  /// A container may see its own group as the root, or the host's names for it, which then lead
  /// nowhere: each parent up to the root is looked at.
  ///
  /// - Parameter text: The contents of a file, nil when it cannot be read.
  /// - Returns: For example 1.5.
  package static func tightest(text: (String) -> String?) -> Double? {
    var quotas: [Double?] = []
    for line in (text("/proc/self/cgroup") ?? "").split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let parents = folders(above: fields[2])
      if fields[1].isEmpty {
        for mount in [root, root + "/unified"] {
          quotas += parents.map { quota(text(mount + $0 + "/cpu.max")) }
        }
      } else if fields[1].split(separator: ",").contains("cpu") {
        for mount in Set(["\(root)/\(fields[1])", root + "/cpu"]) {
          quotas += parents.map { folder in
            let file = mount + folder + "/cpu.cfs_"
            return quota(text(file + "quota_us"), text(file + "period_us"))
          }
        }
      }
    }
    return quotas.compactMap(\.self).min()
  }

  /// "/a/b" gives "/a/b", "/a" and "".
  private static func folders(above path: Substring) -> [String] {
    let names = path.split(separator: "/")
    return (0...names.count).reversed().map { count in names[..<count].map { "/" + $0 }.joined() }
  }

  /// Time and period, as numbers in one text or two; nil without a limit ("max", or -1).
  private static func quota(_ texts: String?...) -> Double? {
    let words = texts.compactMap(\.self).joined(separator: " ").split { " \n".contains($0) }
    guard words.count == 2, let time = Double(words[0]), let period = Double(words[1]),
      time > 0, period > 0
    else { return nil }
    return time / period
  }
}
