import Synchronization
import Tokenization

/// How streams of the last minutes were asked for, so that they can be written again.
///
/// An answer is a function of its request and seed: what is kept is the request, not the text.
final class StreamArchive: Sendable {
  /// Which API a stream speaks.
  enum Style: Sendable, Equatable {
    case chat
    case text
    case responses(ResponseSettings)
  }

  /// One stream.
  struct Record: Sendable {
    let ticket: AnswerTicket
    let style: Style
    /// With a seed in its sampling parameters.
    let plan: AnswerPlan
    /// Whose it is; others do not find it.
    let owner: String?
    /// Bytes of the request's body, of which fields are kept.
    let bodyByteCount: Int
    /// Whether the engine runs it since a restart.
    var wasTakenUp = false
  }

  fileprivate struct State {
    var records: [String: (record: Record, time: ContinuousClock.Instant, size: Int)] = [:]
    var order: [String] = []  // oldest first
    var size = 0
  }

  /// How long a stream can be continued.
  static let lifetime = Duration.seconds(600)

  private let countLimit: Int
  private let sizeLimit: Int
  private let duration: Duration
  private let state = Mutex(State())

  /// Bounds on what is kept; sizes in bytes.
  init(
    countLimit: Int = 1024, sizeLimit: Int = 64 << 20, duration: Duration = StreamArchive.lifetime
  ) {
    self.countLimit = countLimit
    self.sizeLimit = sizeLimit
    self.duration = duration
  }

  /// Keeps a record, and drops the oldest ones if need be.
  func keep(_ record: Record) {
    let size =
      4096 + record.bodyByteCount + record.plan.prompts.reduce(0) { $0 + 4 * $1.count }
      + record.plan.layout.echo.reduce(0) { $0 + $1.utf8.count }
    let now = ContinuousClock.now
    state.withLock { state in
      state.dropOlder(than: now - duration)
      guard state.records[record.ticket.id] == nil else { return }
      state.records[record.ticket.id] = (record, now, size)
      state.order.append(record.ticket.id)
      state.size += size
      while state.order.count > countLimit || state.size > sizeLimit { state.dropOldest() }
    }
  }

  /// How many answers a stream has; 1 when it is not known.
  func answerCount(of id: String) -> Int {
    state.withLock { $0.records[id]?.record.plan.answerCount ?? 1 }
  }

  /// The record of a stream; nil when it is too old, or somebody else's.
  func record(_ id: String, owner: String?) -> Record? {
    let now = ContinuousClock.now
    return state.withLock { state in
      state.dropOlder(than: now - duration)
      guard let record = state.records[id]?.record, record.owner == owner else { return nil }
      return record
    }
  }
}

extension StreamArchive.State {
  fileprivate mutating func dropOlder(than time: ContinuousClock.Instant) {
    while let oldest = order.first, let entry = records[oldest], entry.time < time { dropOldest() }
  }

  fileprivate mutating func dropOldest() {
    guard !order.isEmpty else { return }
    let id = order.removeFirst()
    if let entry = records.removeValue(forKey: id) { size -= entry.size }
  }
}
