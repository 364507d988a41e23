public import Logging
import Synchronization

/// The keys that a server knows, read again when their file changes.
public final class KeyRing: Sendable {
  /// How often a request looks whether the file has changed.
  private static let checkInterval: Duration = .seconds(1)

  private struct Entry: Sendable {
    let digest: [UInt8]
    let account: Account
  }

  private struct State {
    var entries: [Entry]
    var accounts: [String: Account]  // those of revoked keys too: their numbers go on
    var stamp: KeyFile.Stamp?
    var checkedAt: Duration
  }

  private let path: String
  private let logger: Logger
  private let now: @Sendable () -> Duration
  private let state: Mutex<State>

  /// Reads the file.
  ///
  /// - Parameters:
  ///   - path: The file of keys.
  ///   - logger: Told when the file was read again, or cannot be.
  /// - Throws: `KeyFileError`.
  public convenience init(file path: String, logger: Logger) throws(KeyFileError) {
    try self.init(file: path, logger: logger, now: { ServerTime.now })
  }

  package init(
    file path: String, logger: Logger, now: @escaping @Sendable () -> Duration
  ) throws(KeyFileError) {
    self.path = path
    self.logger = logger
    self.now = now
    let stamp = KeyFile.stamp(of: path)
    let keys = try KeyFile(reading: path).keys
    let time = now()
    state = Mutex(State(entries: [], accounts: [:], stamp: stamp, checkedAt: time))
    take(keys, stamp: stamp, at: time)
  }

  /// How many keys there are.
  public var count: Int { state.withLock { $0.entries.count } }

  /// Reads the file again, whether it has changed or not; a broken file leaves the keys as they are.
  public func reload() {
    let stamp = KeyFile.stamp(of: path)
    do throws(KeyFileError) {
      let keys = try KeyFile(reading: path).keys
      take(keys, stamp: stamp, at: now())
      logger.notice("API keys read", metadata: ["keys": "\(keys.count)", "file": "\(path)"])
    } catch {
      state.withLock { $0.stamp = stamp }
      logger.error("API keys not read, the old ones stay", metadata: ["error": "\(error)"])
    }
  }

  /// Whose key it is, nil when it is nobody's; every digest is looked at, found or not.
  package func account(of secret: APISecret) -> Account? {
    reloadIfChanged()
    let digest = secret.digest
    return state.withLock { state in
      var found: Account?
      for entry in state.entries where isSame(entry.digest, digest) { found = entry.account }
      return found
    }
  }

  /// Every account since the start.
  package var accounts: [Account] {
    state.withLock { $0.accounts.values.sorted { $0.name < $1.name } }
  }

  private func reloadIfChanged() {
    let time = now()
    let known = state.withLock { state -> KeyFile.Stamp?? in
      guard time - state.checkedAt >= Self.checkInterval else { return nil }
      state.checkedAt = time
      return .some(state.stamp)
    }
    if let known, known != KeyFile.stamp(of: path) { reload() }
  }

  private func take(_ keys: [APIKey], stamp: KeyFile.Stamp?, at time: Duration) {
    state.withLock { state in
      state.stamp = stamp
      state.entries = keys.map { key in
        let known = state.accounts[key.name]
        known?.change(to: key.limits, at: time)
        let account = known ?? Account(name: key.name, limits: key.limits, at: time)
        state.accounts[key.name] = account
        return Entry(digest: key.digest, account: account)
      }
    }
  }
}

/// The clock of limits and measurements: steady, never set.
enum ServerTime {
  private static let start = ContinuousClock.now

  /// Time since the first look at it.
  static var now: Duration { ContinuousClock.now - start }
}
