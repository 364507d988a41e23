/// Sequences that wait, and whose turn it is: each key pays for the rows that it is given, and the
/// one that has paid least is next.
///
/// A key that comes back after a pause starts where the others are: unused turns are not saved up.
/// Within a key it is first come, first served.
/// - Source: Sheng et al., "Fairness in serving large language models" (OSDI 2024), virtual token
///   counters.
package struct FairQueue: Sendable {
  /// Who shares: a tenant's requests of one priority.
  package struct Key: Hashable, Sendable {
    package let tenant: String?
    package let priority: RequestPriority

    package init(tenant: String?, priority: RequestPriority = .normal) {
      self.tenant = tenant
      self.priority = priority
    }
  }

  private struct Account {
    var paid = 0.0  // rows divided by the key's weight
    var waiting: [SequenceID] = []  // ascending
    var runningCount = 0

    var isIdle: Bool { waiting.isEmpty && runningCount == 0 }
  }

  private var accounts: [Key: Account] = [:]
  /// Sequences that wait.
  private(set) var waitingCount = 0

  /// Adds a sequence that waits; one that was preempted goes back to its place.
  mutating func append(_ id: SequenceID, to key: Key) {
    var account = accounts[key] ?? Account()
    if account.isIdle { account.paid = max(account.paid, leastPaid ?? account.paid) }
    let index = account.waiting.firstIndex { $0 > id } ?? account.waiting.endIndex
    account.waiting.insert(id, at: index)
    accounts[key] = account
    waitingCount += 1
  }

  /// The longest waiting sequences of all keys, those whose key has paid least first.
  var heads: [(id: SequenceID, key: Key)] {
    let heads = accounts.compactMap { key, account in
      account.waiting.first.map { (id: $0, key: key, paid: account.paid) }
    }
    return heads.sorted { ($0.paid, $0.id) < ($1.paid, $1.id) }.map { ($0.id, $0.key) }
  }

  /// Who runs most beyond its share of `total` sequences and has paid more than `key`; nil where
  /// nobody does, or `key` has its share.
  ///
  /// Shares are those of the keys that have work, by their weights, and at least 1.
  func debtor(to key: Key, of total: Int) -> Key? {
    let weights = accounts.reduce(0.0) { $0 + ($1.value.isIdle ? 0 : $1.key.priority.weight) }
    func excess(_ key: Key, _ account: Account) -> Double {
      Double(account.runningCount) - max(1, Double(total) * key.priority.weight / weights)
    }
    guard let own = accounts[key], excess(key, own) <= -1 else { return nil }
    let others = accounts.filter { $0.value.paid > own.paid && excess($0.key, $0.value) > 0 }
    return others.max {
      (excess($0.key, $0.value), $0.value.paid) < (excess($1.key, $1.value), $1.value.paid)
    }?.key
  }

  /// Every sequence that waits, in no particular order.
  var waiting: [SequenceID] { accounts.values.flatMap(\.waiting) }

  /// What a key has paid so far.
  func paid(_ key: Key) -> Double { accounts[key]?.paid ?? 0 }

  /// Lets a key pay for rows.
  mutating func charge(_ key: Key, rows: Int) {
    accounts[key]?.paid += Double(rows) / key.priority.weight
  }

  /// Takes out a sequence that starts to run; false if it does not wait.
  @discardableResult
  mutating func start(_ id: SequenceID, of key: Key) -> Bool {
    guard takeOut(id, of: key) else { return false }
    accounts[key]?.runningCount += 1
    return true
  }

  /// Takes out a sequence that will not run.
  mutating func withdraw(_ id: SequenceID, of key: Key) {
    if takeOut(id, of: key) { forgetIfIdle(key) }
  }

  /// Notes that a sequence of a key runs no more.
  mutating func stop(_ key: Key) {
    accounts[key]?.runningCount -= 1
    forgetIfIdle(key)
  }

  /// Drops idle accounts; none of them is ahead of those that are left.
  private mutating func forgetIfIdle(_ key: Key) {
    guard let account = accounts[key], account.isIdle else { return }
    // One that has paid more than others must not come back as if it had not.
    if account.paid <= leastPaid ?? .infinity { accounts[key] = nil }
    let least = leastPaid ?? .infinity
    accounts = accounts.filter { !$0.value.isIdle || $0.value.paid > least }
  }

  private mutating func takeOut(_ id: SequenceID, of key: Key) -> Bool {
    guard let index = accounts[key]?.waiting.firstIndex(of: id) else { return false }
    accounts[key]?.waiting.remove(at: index)
    waitingCount -= 1
    return true
  }

  /// The least that a key with work has paid.
  private var leastPaid: Double? {
    accounts.values.lazy.filter { !$0.isIdle }.map(\.paid).min()
  }
}
