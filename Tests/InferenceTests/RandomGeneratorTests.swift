import Foundation
import Inference
import Testing

/// Known values: the splitmix64 and xoshiro256** reference programs of Vigna.
@Suite struct RandomGeneratorTests {
  @Test func splitMixGivesTheReferenceValues() {
    var seeder = SplitMix64(state: 0)
    #expect(
      (0..<4).map { _ in seeder.next() } == [
        0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f, 0xf88b_b8a8_724c_81ec,
      ])
  }

  @Test func xoshiroGivesTheReferenceValues() {
    var generator = RandomGenerator(state: (1, 2, 3, 4))
    #expect(
      (0..<8).map { _ in generator.next() } == [
        11520, 0, 1_509_978_240, 1_215_971_899_390_074_240, 1_216_172_134_540_287_360,
        607_988_272_756_665_600, 16_172_922_978_634_559_625, 8_476_171_486_693_032_832,
      ])
  }

  @Test(
    arguments: [
      (0, [0x99ec_5f36_cb75_f2b4, 0xbf6e_1f78_4956_452a, 0x1a5f_849d_4933_e6e0]),
      (42, [0x1578_0b2e_0c2e_c716, 0x6104_d986_6d11_3a7e, 0xae17_5332_39e4_99a1]),
    ] as [(UInt64, [UInt64])])
  func aSeedFixesTheSequence(seed: UInt64, expected: [UInt64]) {
    var generator = RandomGenerator(seed: seed)
    #expect(expected.map { _ in generator.next() } == expected)
  }

  @Test func unitsAreUniformAndBelowOne() {
    var generator = RandomGenerator(seed: 7)
    let units = (0..<100_000).map { _ in generator.nextUnit() }
    #expect(units.allSatisfy { (0..<1).contains($0) })
    #expect(abs(units.reduce(0, +) / 100_000 - 0.5) < 0.005)
  }

  @Test func theExponentialIsAccurate() {
    for step in 0..<70_000 {
      let x = -Double(step) / 100
      let expected = exp(x)
      #expect(abs(exponential(x) - expected) <= 4e-16 * 4 * expected, "\(x)")
    }
    #expect(exponential(0) == 1)
    #expect(exponential(-1e9) == 0)
    #expect(exponential(-.infinity) == 0)
  }
}
