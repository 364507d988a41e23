internal import ModelFiles

/// Token texts to ids, by bytes.
struct TextTable: Sendable {
  private var slots: [TokenID]  // -1: free
  /// Another start of the hash in every process, so that no file can make its texts collide.
  private let seed = UInt64.random(in: .min ... .max)

  /// The ids of all texts but empty ones; of equal texts the first.
  init(_ texts: StringArray) {
    var bits = 4
    while 1 << bits < 2 * texts.count { bits += 1 }
    slots = [TokenID](repeating: -1, count: 1 << bits)
    for (id, text) in texts.enumerated() where !text.isEmpty {
      let place = place(text, texts)
      if slots[place] < 0 { slots[place] = TokenID(truncatingIfNeeded: id) }
    }
  }

  /// The id of a text.
  func id(of text: ArraySlice<UInt8>, in texts: StringArray) -> TokenID? {
    let id = slots[place(text, texts)]
    return id < 0 ? nil : id
  }

  private func place(_ text: ArraySlice<UInt8>, _ texts: StringArray) -> Int {
    let mask = slots.count - 1
    var hash = seed
    for byte in text {
      hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3  // FNV-1a, stirred
      hash ^= hash >> 29
    }
    var place = Int(truncatingIfNeeded: hash ^ hash >> 32) & mask
    while slots[place] >= 0, texts[Int(slots[place])] != text { place = (place + 1) & mask }
    return place
  }
}
