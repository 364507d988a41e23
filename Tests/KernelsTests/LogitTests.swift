import Foundation
import Kernels
import Testing

@Suite struct LogitTests {
  private static let lengths = [1, 3, 15, 16, 17, 256, 300, 5000]

  private func logits(_ count: Int, seed: UInt64) -> [Float] {
    var random = SeededGenerator(seed: seed)
    var logits = random.floats(count).map { 6 * $0 }
    for index in stride(from: 3, to: count, by: 11) {
      logits[index] = [.nan, -.infinity, .infinity, -3, -3][index / 11 % 5]
    }
    return logits
  }

  @Test func aWeightIsItsExponential() {
    let kernels = LogitKernels.best
    for sharpness: Float in [0, 0.5, 1, 3] {
      let weighing = LogitKernels.Weighing(peak: 2, sharpness: sharpness, minimum: -60)
      for step in 0..<2000 {
        let logit = 2 - Float(step) / 32
        let weight = Double(kernels.weight(of: [logit].span, weighing))
        let exact =
          logit < -60 ? 0 : exp(Double(logit - 2) * Double(sharpness)) * Double(LogitKernels.unit)
        #expect(abs(weight - exact) <= 4e-6 * exact + 0.51, "\(logit)")
      }
      #expect(kernels.weight(of: [2].span, weighing) == LogitKernels.unit)
    }
  }

  @Test(arguments: KernelVariant.available) func everyVariantAgreesWithPlainLoops(
    _ variant: KernelVariant
  ) {
    let kernels = LogitKernels(variant: variant)
    let scalar = LogitKernels(variant: .scalar)
    for count in Self.lengths {
      let source = logits(count, seed: UInt64(count))
      var clean = source
      var target = clean.mutableSpan
      let bounds = kernels.copy(source.span, to: &target)
      #expect(
        clean == source.map { $0.isNaN ? -.infinity : min($0, .greatestFiniteMagnitude) })
      let finite = clean.filter { $0 > -.infinity }
      #expect(bounds.highest == finite.max() ?? -.infinity)
      #expect(bounds.lowest == finite.min() ?? .infinity)
      #expect(kernels.maximum(clean.span) == clean.max())
      #expect(
        kernels.firstIndex(of: source.span, atLeast: 2) == source.firstIndex { $0 >= 2 })
      for index in clean.indices { clean[index] = min(clean[index], 6) }
      var weighing = LogitKernels.Weighing(peak: 6, sharpness: 1.25, minimum: -4)
      weighing.maximum = 5.5
      let weights = clean.map { scalar.weight(of: [$0].span, weighing) }
      #expect(kernels.weight(of: clean.span, weighing) == weights.reduce(0, +))
      for scale: Float in [0, 10, 430] {
        checkBuckets(kernels, clean, weights, weighing, scale)
      }
    }
  }

  private func checkBuckets(
    _ kernels: LogitKernels, _ logits: [Float], _ weights: [UInt64],
    _ weighing: LogitKernels.Weighing, _ scale: Float
  ) {
    func bucket(_ logit: Float) -> Int {
      Int(((weighing.maximum - logit) * scale).rounded(.toNearestOrEven))
    }
    let isIn = { (logit: Float) in logit >= weighing.minimum && logit <= weighing.maximum }
    var expected = [UInt64](repeating: 0, count: LogitKernels.bucketCount)
    for index in logits.indices where weights[index] > 0 {
      expected[bucket(logits[index])] += weights[index]
    }
    var buckets = [UInt64](repeating: 0, count: LogitKernels.bucketCount)
    var span = buckets.mutableSpan
    kernels.spread(logits.span, weighing, scale: scale, over: &span)
    #expect(buckets == expected)
    for place in [0, bucket(-3), bucket(2)] {
      let members = logits.indices.filter { isIn(logits[$0]) && bucket(logits[$0]) == place }
      var indices = [Int32](repeating: -1, count: 20)
      var room = indices.mutableSpan
      let found = kernels.gather(
        logits.span, weighing, scale: scale, bucket: place, into: &room)
      #expect(found.count == members.count)
      #expect(indices.prefix(members.count).map { Int($0) } == Array(members.prefix(20)))
      #expect(found.lowest == members.map { logits[$0] }.min() ?? .infinity)
      #expect(found.highest == members.map { logits[$0] }.max() ?? -.infinity)
    }
  }
}
