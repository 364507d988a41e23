internal import Kernels
internal import Tensors

/// Which partial sums a batch needs, row by row, and where each one is among the replies.
struct PartialLayout {
  private(set) var rowCount = 0
  /// Sums that have not come.
  private(set) var missingCount = 0
  /// Row r has the sums offsets[r] to offsets[r + 1] of `groups` and `places`.
  private var offsets: [Int32] = []
  private var groups: [Int32] = []
  private var places: [Int32] = []  // the row of the replies that holds the sum, or −1

  /// Sums that the batch needs.
  var count: Int { groups.count }

  /// Lists the sums of routed experts of `batch`; none has come.
  mutating func begin(_ batch: borrowing RoutedBatch) {
    rowCount = batch.rowCount
    offsets.removeAll(keepingCapacity: true)
    groups.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    let entries = batch.entries
    var last = PartialKey(row: -1, group: -1)
    for index in entries.indices {
      guard entries[index].expert < batch.geometry.expertCount else { continue }
      let key = batch.geometry.partialKey(entries[index])
      if key.row != last.row { offsets.append(Int32(groups.count)) }
      if key != last { groups.append(key.group) }
      last = key
    }
    offsets.append(Int32(groups.count))
    for _ in groups { places.append(-1) }
    missingCount = count
  }

  /// Notes that row `place` of the replies holds the sum of `key`.
  mutating func place(_ key: PartialKey, at place: Int) {
    guard let index = index(of: key) else { return }
    if places[index] < 0 { missingCount -= 1 }
    places[index] = Int32(place)
  }

  /// Notes that all sums have come, in order.
  mutating func placeAll() {
    for index in places.indices { places[index] = Int32(index) }
    missingCount = 0
  }

  /// Whether the batch needs the sum of `key` and it has not come.
  func isMissing(_ key: PartialKey) -> Bool { index(of: key).map { places[$0] < 0 } ?? false }

  private func index(of key: PartialKey) -> Int? {
    guard key.row >= 0, key.row < rowCount else { return nil }
    let range = Int(offsets[Int(key.row)])..<Int(offsets[Int(key.row) + 1])
    return range.first { groups[$0] == key.group }
  }

  /// Sets each row of `sum` to the sum of its replies in ascending group order, from zero.
  func add(
    _ replies: borrowing EncodedReplies, into sum: inout FloatMatrix, with kernels: Kernels
  ) {
    kernels.sumReplies(replies, entries: places.span, offsets: offsets.span, into: &sum)
  }
}
