/// A hash table from 64-bit keys to small numbers: open addressing, written once, read often.
///
/// The tables of a vocabulary are read some ten times per piece of text; this one answers in one
/// or two cache lines.
struct IntegerTable: Sendable {
  private struct Slot: Sendable {
    var key: UInt64 = .max
    var value: Int32 = 0
  }

  private var slots: [Slot]
  private let shift: Int

  /// A table that stays at most half full with `capacity` keys.
  init(capacity: Int) {
    var bits = 4
    while 1 << bits < 2 * capacity { bits += 1 }
    slots = [Slot](repeating: Slot(), count: 1 << bits)
    shift = 64 - bits
  }

  /// The value of a key other than `UInt64.max`.
  @inline(__always)
  subscript(key: UInt64) -> Int32? {
    let slot = slots[place(key)]
    return slot.key == key ? slot.value : nil
  }

  /// Adds a key unless it is there already; false when it is.
  mutating func insert(_ key: UInt64, _ value: Int32) -> Bool {
    let place = place(key)
    guard slots[place].key != key else { return false }
    slots[place] = Slot(key: key, value: value)
    return true
  }

  /// Where the key is, or the free slot where it belongs.
  @inline(__always)
  private func place(_ key: UInt64) -> Int {
    let mask = slots.count - 1
    var place = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> UInt64(shift))
    while slots[place].key != key, slots[place].key != .max { place = (place + 1) & mask }
    return place
  }
}
