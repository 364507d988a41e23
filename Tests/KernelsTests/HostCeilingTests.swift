import Kernels
import Testing

/// What kernels are compared with.
@Suite struct HostCeilingTests {
  @Test(arguments: [1, 2]) func `memory is read by any number of threads`(threads: Int) throws {
    let host = try HostCeilings(byteCount: 3 << 20)
    let speed = host.readBytesPerSecond(team: ThreadTeam(threads: threads), passes: 2)
    #expect(speed > 1e6 && speed.isFinite)
  }

  @Test(arguments: KernelVariant.available)
  func `every variant multiplies in registers`(variant: KernelVariant) throws {
    let host = try HostCeilings(byteCount: 1)
    let kernels = Kernels(variant: variant, team: ThreadTeam(threads: 1))
    for speed in [
      host.integerProductsPerSecond(kernels), host.floatProductsPerSecond(kernels),
    ] {
      #expect(speed > 1e6 && speed < 1e14)
    }
  }
}
