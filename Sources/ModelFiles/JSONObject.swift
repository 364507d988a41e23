/// The members of a JSON object in the text's order, found by the exact bytes of their names.
public struct JSONObject: RandomAccessCollection, Hashable, Sendable {
  /// One member.
  public struct Member: Hashable, Sendable {
    /// Its name.
    public let key: String
    /// Its value.
    public let value: JSONValue

    /// Whether names have the same bytes, and values are equal.
    public static func == (a: Member, b: Member) -> Bool {
      isSame(a.key, b.key) && a.value == b.value
    }

    /// Feeds name and value.
    public func hash(into hasher: inout Hasher) {
      hasher.combine(JSONValue.string(key))
      hasher.combine(value)
    }
  }

  private var members: [Member] = []
  /// Open addressing: places in `members`, or -1; empty while there are few members.
  private var slots: [Int32] = []

  /// No members.
  public init() {}

  /// The first index, 0.
  public var startIndex: Int { 0 }
  /// The number of members.
  public var endIndex: Int { members.count }

  /// One member, in the text's order.
  public subscript(index: Int) -> Member { members[index] }

  /// The value of the member with this name.
  public subscript(key: String) -> JSONValue? {
    if slots.isEmpty {
      return members.first { isSame($0.key, key) }?.value
    }
    let slot = slots[self.slot(for: key)]
    return slot < 0 ? nil : members[Int(slot)].value
  }

  /// Two objects are equal when they have equal members, in any order.
  public static func == (a: JSONObject, b: JSONObject) -> Bool {
    a.count == b.count && a.members.allSatisfy { b[$0.key] == $0.value }
  }

  /// Feeds what does not depend on the order of members.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(count)
  }

  /// Adds a member; false when the name is there already.
  mutating func insert(_ key: String, _ value: JSONValue) -> Bool {
    if members.count >= 8 && slots.count < 2 * (members.count + 1) { grow() }
    if slots.isEmpty {
      guard !members.contains(where: { isSame($0.key, key) }) else { return false }
    } else {
      let slot = slot(for: key)
      guard slots[slot] < 0 else { return false }
      slots[slot] = Int32(members.count)
    }
    members.append(Member(key: key, value: value))
    return true
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: slots.isEmpty ? 32 : 2 * slots.count)
    for (index, member) in members.enumerated() { slots[slot(for: member.key)] = Int32(index) }
  }

  /// The slot of a name, or the free one where it belongs.
  private func slot(for key: String) -> Int {
    var slot = keyedHash(key) & (slots.count - 1)
    while slots[slot] >= 0 && !isSame(members[Int(slots[slot])].key, key) {
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }
}

/// Whether two strings have the same bytes; `==` would also accept canonically equal ones.
func isSame(_ a: String, _ b: String) -> Bool {
  let (left, right) = (a.utf8.span, b.utf8.span)
  guard left.count == right.count else { return false }
  for index in left.indices where left[index] != right[index] { return false }
  return true
}

/// A keyed hash of the bytes, so that no file can make many names collide.
private func keyedHash(_ key: String) -> Int {
  var hasher = Hasher()
  let bytes = key.utf8.span
  var word: UInt64 = 0
  for index in bytes.indices {
    word = word << 8 | UInt64(bytes[index])
    if index % 8 == 7 { hasher.combine(word) }
  }
  hasher.combine(word)
  hasher.combine(bytes.count)
  return hasher.finalize()
}
