import Foundation
import Synchronization

/// Whose keys are let in, read again when their file changes.
///
/// The thread that decides over connections keeps it fresh; any thread may ask.
public final class AllowList: Sendable {
  /// What an operator should hear of.
  public enum Event: Sendable, Equatable {
    /// Somebody with another key wanted in; `others` more did since the last such event.
    case refused(PublicKey, address: String, others: Int)
    /// The file was read again.
    case changed(count: Int)
    /// The file cannot be read; the keys stay as they were.
    case unreadable(KeyError)
  }

  /// How often the file is looked at.
  static let checkInterval: Duration = .milliseconds(500)
  /// How often a refusal is told; what comes between is counted.
  private static let reportInterval: Duration = .seconds(1)

  private struct State {
    var names: [PublicKey: String]
    var stamp: PrivateFile.Stamp?
    var checkedAt: ContinuousClock.Instant
    var reportedAt: ContinuousClock.Instant?
    var unreportedCount = 0
    var expected: PublicKey?
  }

  /// Changes whenever the keys do.
  let generation = Atomic<Int>(0)
  private let path: String?
  private let report: @Sendable (Event) -> Void
  private let state: Mutex<State>

  /// Reads the file.
  ///
  /// - Parameters:
  ///   - path: The file, as `AllowListFile` has it.
  ///   - report: Called from a thread of the transport.
  /// - Throws: `KeyError` when the file cannot be read.
  public init(file path: String, report: @escaping @Sendable (Event) -> Void) throws(KeyError) {
    self.path = path
    self.report = report
    let stamp = PrivateFile.stamp(of: path)
    let names = Self.names(try AllowListFile(reading: path))
    state = Mutex(State(names: names, stamp: stamp, checkedAt: .now))
  }

  /// A list without a file.
  public init(_ keys: [PublicKey: String], report: @escaping @Sendable (Event) -> Void = { _ in }) {
    path = nil
    self.report = report
    state = Mutex(State(names: keys, stamp: nil, checkedAt: .now))
  }

  /// How many keys there are.
  public var count: Int { state.withLock { $0.names.count } }

  /// The keys in no particular order.
  public var keys: [PublicKey] { state.withLock { Array($0.names.keys) } }

  /// What the owner of a key is called; nil when the key is not let in.
  public func name(of key: PublicKey) -> String? { state.withLock { $0.names[key] } }

  /// Whether the key is let in.
  public func contains(_ key: PublicKey) -> Bool { name(of: key) != nil }

  /// Takes other keys instead; only for lists without a file.
  package func replace(with keys: [PublicKey: String]) {
    precondition(path == nil)
    state.withLock { $0.names = keys }
    generation.add(1, ordering: .relaxed)
  }

  /// Decides over a connection, and reports a refusal.
  func admits(_ key: PublicKey, from address: String) -> Bool {
    let now = ContinuousClock.now
    let (isAdmitted, event) = state.withLock { state -> (Bool, Event?) in
      if state.names[key] != nil { return (true, nil) }
      if key == state.expected { return (false, nil) }
      if let last = state.reportedAt, now - last < Self.reportInterval {
        state.unreportedCount += 1
        return (false, nil)
      }
      defer {
        state.reportedAt = now
        state.unreportedCount = 0
      }
      return (false, .refused(key, address: address, others: state.unreportedCount))
    }
    if let event { report(event) }
    return isAdmitted
  }

  /// Runs `body`, while refusals of `key` are not reported: they are what is being tested.
  func expectingRefusal<Value, Failure: Error>(
    of key: PublicKey, _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    state.withLock { $0.expected = key }
    defer { state.withLock { $0.expected = nil } }
    return try body()
  }

  /// Reads the file again if it has changed; looks at it a few times a second at most.
  package func refresh() {
    guard let path else { return }
    let now = ContinuousClock.now
    let isDue = state.withLock { state in
      guard now - state.checkedAt >= Self.checkInterval else { return false }
      state.checkedAt = now
      return true
    }
    guard isDue else { return }
    let stamp = PrivateFile.stamp(of: path)
    guard state.withLock({ $0.stamp }) != stamp else { return }
    do throws(KeyError) {
      let names = Self.names(try AllowListFile(reading: path))
      state.withLock {
        $0.names = names
        $0.stamp = stamp
      }
      generation.add(1, ordering: .relaxed)
      report(.changed(count: names.count))
    } catch {
      state.withLock { $0.stamp = stamp }
      report(.unreadable(error))
    }
  }

  private static func names(_ file: AllowListFile) -> [PublicKey: String] {
    var names: [PublicKey: String] = [:]
    for entry in file.entries { names[entry.key] = entry.name }
    return names
  }
}
