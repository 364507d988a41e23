internal import CKernels
internal import Glibc

extension ThreadTeam {
  /// Processors this process may use: its affinity mask, cut to the quota of its control group.
  public static let recommendedThreadCount: Int = {
    let allowed = Int(ck_allowed_processors())
    guard let quota = controlGroupQuota() else { return allowed }
    return max(1, min(allowed, Int(quota.rounded(.up))))
  }()

  /// The tightest processor quota of this process's control group and its parents, if any.
  private static func controlGroupQuota() -> Double? {
    let groups = text(of: "/proc/self/cgroup") ?? ""
    let own = groups.split(separator: "\n").first { $0.hasPrefix("0::/") }?.dropFirst(3) ?? "/"
    var path = own.split(separator: "/")
    var quotas = [quota(inFolder: "/sys/fs/cgroup")]
    while !path.isEmpty {
      quotas.append(quota(inFolder: "/sys/fs/cgroup/" + path.joined(separator: "/")))
      path.removeLast()
    }
    return quotas.compactMap(\.self).min()
  }

  /// Processors' worth of time in a control group, by `cpu.max` or its version 1 form.
  private static func quota(inFolder folder: String) -> Double? {
    var words = (text(of: folder + "/cpu.max") ?? "").split { $0 == " " || $0 == "\n" }
    if words.isEmpty {
      let old = folder + "/cpu/cpu.cfs_"
      words = [text(of: old + "quota_us"), text(of: old + "period_us")]
        .compactMap { $0?.split(separator: "\n").first }
    }
    guard words.count == 2, let time = Double(words[0]), let period = Double(words[1]),
      time > 0, period > 0
    else { return nil }
    return time / period
  }

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
