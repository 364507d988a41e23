import Kernels
import Testing

@Suite struct ProcessorQuotaTests {
  private func tightest(_ files: [String: String]) -> Double? {
    ProcessorQuota.tightest { files[$0] }
  }

  @Test func aGroupOrAParentMayLimit() {
    let own = ["/proc/self/cgroup": "0::/system.slice/docker-1.scope\n"]
    #expect(tightest(own) == nil)
    let limited = own.merging(
      ["/sys/fs/cgroup/system.slice/docker-1.scope/cpu.max": "max 100000\n"]) { $1 }
    #expect(tightest(limited) == nil)
    let parent = limited.merging(["/sys/fs/cgroup/system.slice/cpu.max": "150000 100000\n"]) { $1 }
    #expect(tightest(parent) == 1.5)
    let both = parent.merging(
      ["/sys/fs/cgroup/system.slice/docker-1.scope/cpu.max": "50000 100000\n"]) { $1 }
    #expect(tightest(both) == 0.5)
  }

  @Test func theRootOfAContainerMayLimit() {
    #expect(
      tightest(["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "200000 100000"]) == 2)
    // The host's name of the group, which the container does not see.
    #expect(
      tightest([
        "/proc/self/cgroup": "0::/../../a/b\n", "/sys/fs/cgroup/cpu.max": "200000 100000",
      ]) == 2)
  }

  @Test func version1HasTwoFiles() {
    let group = "5:cpuset:/a\n4:cpu,cpuacct:/a/b\n3:memory:/a\n0::/\n"
    #expect(
      tightest([
        "/proc/self/cgroup": group, "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1\n",
        "/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n",
      ]) == nil)
    #expect(
      tightest([
        "/proc/self/cgroup": group, "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "300000\n",
        "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
      ]) == 3)
    // Another controller's files are nobody's limit.
    #expect(
      tightest([
        "/proc/self/cgroup": "5:cpuset:/a\n", "/sys/fs/cgroup/cpuset/a/cpu.cfs_quota_us": "1\n",
        "/sys/fs/cgroup/cpuset/a/cpu.cfs_period_us": "1\n",
      ]) == nil)
  }

  @Test func nonsenseLimitsNothing() {
    for text in ["", "\n", "max", "0 100000", "1", "a b", "100 0", "1 2 3"] {
      #expect(tightest(["/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": text]) == nil)
    }
    #expect(tightest(["/proc/self/cgroup": "nonsense\n::\n0::"]) == nil)
  }
}
