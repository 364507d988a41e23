/// Bytes on their way through a link, in the order in which they came, each burst with its time.
///
/// Bytes and time in, bytes out; holds no clock and no socket.
package struct DelayLine {
  private struct Burst {
    var byteCount: Int
    let arrival: UInt64
  }

  static let initialCapacity = 256 << 10
  static let largestCapacity = 64 << 20

  package private(set) var storage = [UInt8](repeating: 0, count: initialCapacity)
  private var head = 0
  package private(set) var byteCount = 0
  private var bursts: [Burst] = []
  private var firstBurst = 0
  private var lastArrival: UInt64 = 0
  private var endsAt: UInt64?

  /// An empty line.
  package init() {}

  /// Where the next bytes are to be written, in `storage`; empty when there is no more room.
  package mutating func room() -> Range<Int> {
    if byteCount == storage.count, storage.count < Self.largestCapacity { grow() }
    let tail = (head + byteCount) % storage.count
    let free = storage.count - byteCount
    return tail..<min(storage.count, tail + free)
  }

  private mutating func grow() {
    storage = Array(storage[head...] + storage[..<head]) + Array(repeating: 0, count: storage.count)
    head = 0
  }

  /// Lets a reader write into the room.
  package mutating func withStorage<Result>(_ body: (inout [UInt8]) -> Result) -> Result {
    body(&storage)
  }

  /// Takes over the first bytes of `room`, which shall arrive then, and after all before them.
  package mutating func append(byteCount count: Int, arrival: UInt64) {
    byteCount += count
    lastArrival = max(lastArrival, arrival)
    bursts.append(Burst(byteCount: count, arrival: lastArrival))
  }

  /// No more bytes follow; that is known at the far end then, and after all bytes.
  package mutating func end(arrival: UInt64) { endsAt = max(lastArrival, arrival) }

  /// When the oldest bytes arrive, or the end does; nil when there is neither.
  package var nextArrival: UInt64? {
    firstBurst < bursts.count ? bursts[firstBurst].arrival : endsAt
  }

  /// Where the bytes lie that have arrived, as far as they lie together.
  package func arrived(at time: UInt64) -> Range<Int> {
    var count = 0
    var index = firstBurst
    while index < bursts.count, bursts[index].arrival <= time {
      count += bursts[index].byteCount
      index += 1
    }
    return head..<min(storage.count, head + count)
  }

  /// Whether everything has left, and no more comes.
  package func hasEnded(at time: UInt64) -> Bool {
    guard byteCount == 0, let endsAt else { return false }
    return endsAt <= time
  }

  /// Forgets the oldest bytes, which have been passed on.
  package mutating func remove(byteCount count: Int) {
    head = (head + count) % storage.count
    byteCount -= count
    var rest = count
    while rest > 0, firstBurst < bursts.count {
      let taken = min(rest, bursts[firstBurst].byteCount)
      bursts[firstBurst].byteCount -= taken
      rest -= taken
      if bursts[firstBurst].byteCount == 0 { firstBurst += 1 }
    }
    if firstBurst > 64, firstBurst * 2 > bursts.count {
      bursts.removeFirst(firstBurst)
      firstBurst = 0
    }
  }
}
