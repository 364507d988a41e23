/// One partial sum: what one expert group adds to one row.
public struct PartialKey: Sendable, Hashable, Comparable {
  /// The row of the batch.
  public let row: Int32
  /// The group's index in its layer.
  public let group: Int32

  /// Names the sum of `group` for `row`.
  public init(row: Int32, group: Int32) {
    self.row = row
    self.group = group
  }

  /// Ascending rows, then ascending groups: the order of a reply.
  public static func < (left: Self, right: Self) -> Bool {
    (left.row, left.group) < (right.row, right.group)
  }
}

/// The part of a batch that one worker answers.
public struct BatchShare: Sendable {
  /// The rows of the batch that travel, ascending.
  public private(set) var rows: [Int32] = []
  /// What to compute, sorted by (row, expert); rows count within `rows`.
  public private(set) var entries: [RoutedEntry] = []
  /// The rows of the reply, in its order; rows count within the batch.
  public private(set) var partials: [PartialKey] = []
  /// The rows of the batch of which the reply has the shared experts' sums, after `partials`.
  public private(set) var sharedRows: [Int32] = []

  /// The groups of `partials`, and that of the shared experts if `sharedRows` has any.
  public private(set) var groups = GroupSet()

  /// Whether the worker has nothing to do.
  public var isEmpty: Bool { entries.isEmpty }

  mutating func reserve(rows count: Int, shape: ExpertShape) {
    rows.reserveCapacity(count)
    entries.reserveCapacity(count * (shape.expertsPerToken + 1))
    partials.reserveCapacity(count * shape.maxGroupsPerToken)
    sharedRows.reserveCapacity(count)
  }

  mutating func removeAll() {
    rows.removeAll(keepingCapacity: true)
    entries.removeAll(keepingCapacity: true)
    partials.removeAll(keepingCapacity: true)
    sharedRows.removeAll(keepingCapacity: true)
    groups = GroupSet()
  }

  /// Adds an entry of the batch; entries come sorted by (row, expert).
  mutating func append(_ entry: RoutedEntry, group: GroupIndex, isShared: Bool) {
    if rows.last != entry.row { rows.append(entry.row) }
    var local = entry
    local.row = Int32(rows.count - 1)
    entries.append(local)
    if isShared {
      sharedRows.append(entry.row)
      groups.insert(group)
      return
    }
    let key = PartialKey(row: entry.row, group: Int32(group.rawValue))
    if partials.last != key {
      partials.append(key)
      groups.insert(group)
    }
  }
}

/// Cuts batches into shares; makes no allocation once it has grown.
public struct BatchSplit: Sendable {
  private let geometry: ExpertGeometry
  private let capacity: Int
  /// The shares of the last batch, some empty; those from `shareCount` on are spare.
  public private(set) var shares: [BatchShare] = []
  /// Shares that the last batch was cut into.
  public private(set) var shareCount = 0

  /// Makes room for batches of `capacity` rows.
  public init(geometry: ExpertGeometry, capacity: Int) {
    self.geometry = geometry
    self.capacity = capacity
  }

  /// Gives every entry of `batch` to the share that `assignment` names for its group.
  ///
  /// - Parameters:
  ///   - batch: The batch to cut.
  ///   - assignment: For each group of the layer the index of its share; negative: nobody's.
  ///   - shareCount: Shares to make.
  public mutating func split(
    _ batch: borrowing RoutedBatch, assignment: [Int], shareCount: Int
  ) {
    precondition(assignment.count == geometry.placedGroupCount)
    self.shareCount = 0
    for _ in 0..<shareCount { _ = addShare() }
    let entries = batch.entries
    for index in entries.indices {
      let group = geometry.group(of: ExpertID(Int(entries[index].expert)))
      let share = assignment[group.rawValue]
      guard share >= 0 else { continue }
      shares[share].append(entries[index], group: group, isShared: geometry.isShared(group))
    }
  }

  /// Makes one more share, of the entries of `groups`, and returns its index.
  public mutating func addShare(_ entries: Span<RoutedEntry>, of groups: GroupSet) -> Int {
    let share = addShare()
    for index in entries.indices {
      let group = geometry.group(of: ExpertID(Int(entries[index].expert)))
      guard groups.contains(group) else { continue }
      shares[share].append(entries[index], group: group, isShared: geometry.isShared(group))
    }
    return share
  }

  private mutating func addShare() -> Int {
    if shareCount == shares.count {
      var share = BatchShare()
      share.reserve(rows: capacity, shape: geometry.shape)
      shares.append(share)
    }
    shares[shareCount].removeAll()
    shareCount += 1
    return shareCount - 1
  }
}
