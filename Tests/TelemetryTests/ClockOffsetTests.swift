import Telemetry
import Testing

@Suite struct ClockOffsetTests {
  /// An exchange at `time` with a worker whose clock is ahead.
  private func exchange(
    at time: UInt64, out: UInt64, at worker: UInt64 = 10_000, back: UInt64, ahead: Int64
  ) -> Exchange {
    func theirs(_ time: UInt64) -> UInt64 { time &+ UInt64(bitPattern: ahead) }
    return Exchange(
      intendedAt: time, sentAt: time, receivedAt: theirs(time + out),
      repliedAt: theirs(time + out + worker), arrivedAt: time + out + worker + back)
  }

  @Test(arguments: [0, 5, -5, 3_000_000_000_000, -3_000_000_000_000] as [Int64])
  func `equal ways give the offset exactly, whatever it is`(ahead: Int64) {
    var clock = ClockOffset()
    #expect(!clock.isKnown)
    clock.add(exchange(at: 1 << 50, out: 40_000, back: 40_000, ahead: ahead))
    #expect(abs(clock.nanoseconds - ahead) <= 1)
    #expect(clock.errorBound == 40_000)
    let time: UInt64 = 1 << 51
    #expect(clock.toOurs(time &+ UInt64(bitPattern: ahead)) &- time &+ 1 <= 2)
  }

  @Test func `the exchange with the least network time counts, and its bound holds`() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      var clock = ClockOffset()
      let ahead = Int64.random(in: -1_000_000_000...1_000_000_000, using: &random)
      var best = UInt64.max
      for index in 0..<20 {
        let out = UInt64.random(in: 10_000...900_000, using: &random)
        let back = UInt64.random(in: 10_000...900_000, using: &random)
        best = min(best, out + back)
        clock.add(
          exchange(at: 1 << 40 + UInt64(index) << 30, out: out, back: back, ahead: ahead))
      }
      #expect(clock.errorBound == (best + 1) / 2)
      #expect((clock.nanoseconds - ahead).magnitude <= clock.errorBound + 1)
    }
  }

  @Test func `a clock that gains is followed between two measurements`() {
    var first = ClockOffset()
    var last = ClockOffset()
    first.add(exchange(at: 0, out: 1000, at: 0, back: 1000, ahead: 1000))
    last.add(exchange(at: 1_000_000_000, out: 1000, at: 0, back: 1000, ahead: 51_000))
    let map = ClockMap(first, last)
    #expect(abs(map.driftPerMillion - 50) < 0.1)
    let time: UInt64 = 500_000_000
    #expect(abs(Int64(map.toOurs(time + 26_000)) - Int64(time)) < 100)
    #expect(map.errorBound == 1000)
  }

  @Test func `times of an exchange`() {
    let exchange = Exchange(
      intendedAt: 100, sentAt: 150, receivedAt: 7, repliedAt: 27, arrivedAt: 400)
    #expect(exchange.responseTime == 300)
    #expect(exchange.roundTrip == 250)
    #expect(exchange.networkTime == 230)
  }
}
