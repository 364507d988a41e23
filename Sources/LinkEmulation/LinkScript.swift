/// Changes of a link over time; time in, changes out.
///
/// A line is `at TIME CHANGE…` or `every TIME CHANGE…`, where TIME counts from the start, as in
/// `at 2.5s backward drop` and `every 10s stall 200ms`; text after `#` is for people.
public struct LinkScript: Sendable, Equatable {
  struct Event: Sendable, Equatable {
    var time: UInt64  // nanoseconds from the start
    var period: UInt64?
    var changes: [LinkChange]
  }

  private(set) var events: [Event] = []

  /// A script that changes nothing.
  public init() {}

  /// Reads the lines of a script.
  ///
  /// - Throws: `LinkSyntaxError` with the number of the line.
  public init(_ text: String) throws(LinkSyntaxError) {
    for (index, line) in text.split(
      omittingEmptySubsequences: false, whereSeparator: \.isNewline
    ).enumerated() {
      let content = line.prefix { $0 != "#" }
      guard content.contains(where: { !$0.isWhitespace }) else { continue }
      do throws(LinkSyntaxError) {
        try add(content)
      } catch {
        throw LinkSyntaxError("line \(index + 1): \(error.description)")
      }
    }
  }

  /// Adds one line.
  ///
  /// - Throws: `LinkSyntaxError` when it cannot be read.
  public mutating func add(_ line: some StringProtocol) throws(LinkSyntaxError) {
    let words = line.description.split(maxSplits: 2, whereSeparator: \.isWhitespace)
    guard words.count == 3, let time = LinkQuantity.nanoseconds(words[1]) else {
      throw LinkSyntaxError("'\(line)' must look like: at 2.5s backward drop")
    }
    let changes = try LinkChange.parse(words[2])
    switch words[0] {
    case "at": events.append(Event(time: time, period: nil, changes: changes))
    case "every" where time > 0:
      events.append(Event(time: time, period: time, changes: changes))
    default: throw LinkSyntaxError("'\(line)' must begin with at or every, and a time")
    }
  }

  /// When the next changes are due, in nanoseconds from the start; nil when none follow.
  package var nextTime: UInt64? { events.map(\.time).min() }

  /// Takes the changes that are due, in order of time.
  package mutating func takeDue(at time: UInt64) -> [LinkChange] {
    var due: [LinkChange] = []
    while let next = nextTime, next <= time,
      let index = events.firstIndex(where: { $0.time == next })
    {
      due += events[index].changes
      if let period = events[index].period {
        events[index].time &+= period
      } else {
        events.remove(at: index)
      }
    }
    return due
  }
}
