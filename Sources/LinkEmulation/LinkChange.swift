/// One change of a link, as a line of a script says it.
public struct LinkChange: Sendable, Equatable {
  /// What changes.
  public enum Action: Sendable, Equatable {
    /// Bytes arrive so many nanoseconds later.
    case delay(UInt64)
    /// Up to so many nanoseconds more, at random.
    case jitter(UInt64)
    /// A share of bursts comes so many nanoseconds later.
    case spike(probability: Double, UInt64)
    /// Bytes per second; nil is without limit.
    case rate(Double?)
    /// The probability that a byte arrives changed.
    case flip(Double)
    /// Bytes vanish.
    case drop
    /// Bytes are held back, for so many nanoseconds or until `pass`.
    case stall(UInt64?)
    /// Nothing vanishes or is held back any more.
    case pass
    /// Every connection is reset.
    case cut
    /// As `cut`, and new ones are reset as well, for so many nanoseconds or until `up`.
    case down(UInt64?)
    /// New connections are taken again.
    case up
  }

  /// The direction that changes; nil is both.
  public let direction: LinkDirection?
  /// What changes.
  public let action: Action

  /// States a change.
  public init(_ action: Action, direction: LinkDirection? = nil) {
    self.direction = direction
    self.action = action
  }

  /// Changes the conditions of a direction at a time; `cut`, `down` and `up` change none.
  public func apply(to conditions: inout LinkConditions, at time: UInt64) {
    switch action {
    case .delay(let delay): conditions.delay = delay
    case .jitter(let jitter): conditions.jitter = jitter
    case .spike(let probability, let spike):
      conditions.spikeProbability = probability
      conditions.spike = spike
    case .rate(let rate): conditions.bytesPerSecond = rate
    case .flip(let probability): conditions.flipProbability = probability
    case .drop: conditions.isDropping = true
    case .stall(let duration): conditions.stalledUntil = duration.map { time &+ $0 } ?? .max
    case .pass:
      conditions.isDropping = false
      conditions.stalledUntil = 0
    case .cut, .down, .up: break
    }
  }
}

/// A line that says nothing that a link can do.
public struct LinkSyntaxError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What is wrong, where, and what would be right, in one line.
  public let description: String

  init(_ description: String) { self.description = description }
}

// MARK: - Text

extension LinkChange {
  /// Reads one or more changes, as in `backward delay 250us jitter 20us rate 1Gbit/s`.
  ///
  /// - Throws: `LinkSyntaxError` with the word that cannot be read.
  public static func parse(_ text: some StringProtocol) throws(LinkSyntaxError) -> [LinkChange] {
    var words = text.description.split(whereSeparator: \.isWhitespace).map(String.init)[...]
    var direction: LinkDirection?
    if let first = words.first, let named = LinkDirection(rawValue: first) {
      direction = named
      words.removeFirst()
    }
    guard !words.isEmpty else { throw LinkSyntaxError("a change is missing: \(usage)") }
    var changes: [LinkChange] = []
    while let word = words.popFirst() {
      changes.append(LinkChange(try action(word, &words), direction: direction))
    }
    return changes
  }

  private static let usage =
    "delay TIME, jitter TIME, spike SHARE TIME, rate RATE, flip SHARE, drop, stall [TIME], pass, "
    + "cut, down [TIME] or up"

  private static func action(
    _ word: String, _ words: inout ArraySlice<String>
  ) throws(LinkSyntaxError) -> Action {
    switch word {
    case "delay": return .delay(try time(&words, after: word))
    case "jitter": return .jitter(try time(&words, after: word))
    case "spike":
      let share = try share(&words, after: word)
      return .spike(probability: share, try time(&words, after: word))
    case "rate": return .rate(try rate(&words, after: word))
    case "flip": return .flip(try share(&words, after: word))
    case "drop": return .drop
    case "stall": return .stall(optionalTime(&words))
    case "pass": return .pass
    case "cut": return .cut
    case "down": return .down(optionalTime(&words))
    case "up": return .up
    default: throw LinkSyntaxError("\(word) is no change of a link: \(usage)")
    }
  }

  private static func time(
    _ words: inout ArraySlice<String>, after word: String
  ) throws(LinkSyntaxError) -> UInt64 {
    let text = words.popFirst() ?? ""
    guard let time = LinkQuantity.nanoseconds(text) else {
      throw LinkSyntaxError("\(word) needs a time such as 250us, 1.5ms or 2s, not '\(text)'")
    }
    return time
  }

  private static func optionalTime(_ words: inout ArraySlice<String>) -> UInt64? {
    guard let text = words.first, let time = LinkQuantity.nanoseconds(text) else { return nil }
    words.removeFirst()
    return time
  }

  private static func share(
    _ words: inout ArraySlice<String>, after word: String
  ) throws(LinkSyntaxError) -> Double {
    let text = words.popFirst() ?? ""
    guard let share = LinkQuantity.share(text) else {
      throw LinkSyntaxError("\(word) needs a share such as 1% or 1e-6, not '\(text)'")
    }
    return share
  }

  private static func rate(
    _ words: inout ArraySlice<String>, after word: String
  ) throws(LinkSyntaxError) -> Double? {
    let text = words.popFirst() ?? ""
    if text == "unlimited" { return nil }
    guard let rate = LinkQuantity.bytesPerSecond(text) else {
      throw LinkSyntaxError(
        "\(word) needs a rate such as 1Gbit/s, 120MB/s or unlimited, not '\(text)'")
    }
    return rate
  }
}
