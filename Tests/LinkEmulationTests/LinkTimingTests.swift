import Testing

import LinkEmulation

/// What a link does to bytes, on a clock of the test's own.
@Suite struct LinkTimingTests {
  @Test func `a delay is added, and nothing else`() {
    var timing = LinkTiming(seed: 1)
    var conditions = LinkConditions()
    conditions.delay = 250_000
    for time in stride(from: UInt64(0), to: 10_000, by: 1000) {
      #expect(timing.arrival(of: 5000, at: time, conditions) == time + 250_000)
    }
  }

  @Test func `a line sends one burst after another, at its rate`() {
    var timing = LinkTiming(seed: 1)
    var conditions = LinkConditions()
    conditions.bytesPerSecond = 125e6
    conditions.delay = 1_000_000
    #expect(timing.arrival(of: 125_000, at: 0, conditions) == 2_000_000)
    #expect(timing.arrival(of: 125_000, at: 0, conditions) == 3_000_000)
    #expect(timing.backlog(at: 500_000) == 1_500_000)
    #expect(timing.arrival(of: 125_000, at: 9_000_000, conditions) == 11_000_000)
    #expect(timing.backlog(at: 20_000_000) == 0)
  }

  @Test func `jitter is even and within its bound; spikes come as often as they should`() {
    var timing = LinkTiming(seed: 7)
    var conditions = LinkConditions()
    conditions.jitter = 1000
    conditions.spikeProbability = 0.1
    conditions.spike = 1_000_000
    let arrivals = (0..<10_000).map { _ in timing.arrival(of: 1, at: 0, conditions) }
    let spikes = arrivals.count { $0 >= 1_000_000 }
    #expect((900...1100).contains(spikes))
    let jitters = arrivals.map { $0 % 1_000_000 }
    #expect(jitters.max() == 1000)
    #expect((480...520).contains(jitters.reduce(0, +) / 10_000))
    var again = LinkTiming(seed: 7)
    #expect(arrivals == (0..<10_000).map { _ in again.arrival(of: 1, at: 0, conditions) })
  }

  @Test(arguments: [1, 0.5, 1e-3])
  func `bytes are flipped as often as they should, one bit each`(probability: Double) {
    var flipper = ByteFlipper(seed: 3)
    var bytes = [UInt8](repeating: 0, count: 100_000)
    var count = 0
    for start in stride(from: 0, to: bytes.count, by: 1000) {
      count += flipper.flip(&bytes, range: start..<start + 1000, probability: probability)
    }
    #expect(count == bytes.count { $0 != 0 })
    #expect(bytes.allSatisfy { $0.nonzeroBitCount <= 1 })
    let expected = probability * 100_000
    #expect(abs(Double(count) - expected) <= 5 * expected.squareRoot())
  }

  /// Bytes leave in the order in which they came, each after its time, whatever the sizes.
  @Test func `a delay line is a queue`() {
    var random = SplitMix64(state: 5)
    var line = DelayLine()
    var sent: [UInt8] = []
    var received: [UInt8] = []
    var time: UInt64 = 0
    while received.count < 3_000_000 {
      time += random.next() % 1000
      let room = line.room()
      let count = min(room.count, Int(random.next() % 9000))
      if sent.count < 3_000_000, count > 0 {
        let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        line.withStorage { $0.replaceSubrange(room.prefix(count), with: bytes) }
        line.append(byteCount: count, arrival: time + random.next() % 500_000)
        sent += bytes
      }
      let arrived = line.arrived(at: time)
      if let next = line.nextArrival { #expect(arrived.isEmpty == (next > time)) }
      let taken = arrived.prefix(Int(random.next() % 20_000))
      received += line.storage[taken]
      line.remove(byteCount: taken.count)
      if sent.count >= 3_000_000, line.byteCount == 0 { break }
    }
    #expect(received == sent)
    line.end(arrival: time + 5)
    #expect(!line.hasEnded(at: time))
    #expect(line.hasEnded(at: time + 1_000_000))
  }
}
