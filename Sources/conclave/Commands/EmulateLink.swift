import ArgumentParser
import Foundation
import LinkEmulation
import Telemetry
import Transport

/// A proxy that behaves like a link.
struct EmulateLink: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "emulate-link",
    abstract: "Passes TCP connections on as a slow, late or broken link would.",
    discussion: """
      Each --listen belongs to the --to at the same place; all of them share one line. FORWARD is \
      from the side that connects to the side that listens. A CHANGE is one or more of: delay \
      TIME, jitter TIME, spike SHARE TIME, rate RATE, flip SHARE, drop, stall [TIME], pass, cut, \
      down [TIME], up; with "forward" or "backward" in front it concerns that direction only. A \
      line of a script, and an --at, is "at TIME CHANGE" or "every TIME CHANGE", counted from the \
      start: "at 2.5s backward drop". Workers connect to two ports of their coordinator, so give \
      it a --data-port, and put the emulator on another address of the same machine:
        conclave serve MODEL --expect 1 \\
          --listen tcp://127.0.0.1:7400 --data-port 7401
        conclave emulate-link --delay 250us --rate 1Gbit/s \\
          --listen 127.0.0.2:7400 --to 127.0.0.1:7400 \\
          --listen 127.0.0.2:7401 --to 127.0.0.1:7401
        conclave worker --join tcp://127.0.0.2:7400
      """)

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Where to take connections.", valueName: "host:port"))
  var listen: [String]

  @Option(
    parsing: .singleValue, help: ArgumentHelp("Where they lead.", valueName: "host:port"))
  var to: [String]

  @Option(help: ArgumentHelp("Delay of each direction, for example 250us.", valueName: "time"))
  var delay: String?

  @Option(help: ArgumentHelp("Up to so much more, at random.", valueName: "time"))
  var jitter: String?

  @Option(
    help: ArgumentHelp("Rate of each direction, for example 1Gbit/s.", valueName: "rate"))
  var rate: String?

  @Option(
    help: ArgumentHelp("So much later, for a share of all bursts: \"1% 20ms\".", valueName: "spike")
  )
  var spike: String?

  @Option(
    name: .customLong("flip-rate"),
    help: ArgumentHelp("Share of bytes that arrive with a bit flipped.", valueName: "share"))
  var flipRate: String?

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "Other conditions for a direction: \"forward delay 1ms\".", valueName: "change"))
  var set: [String] = []

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("A change at a time: \"at 2.5s backward drop\".", valueName: "line"))
  var at: [String] = []

  @Option(help: ArgumentHelp("A file with such lines.", valueName: "file"))
  var script: String?

  @Option(help: ArgumentHelp("What jitter, spikes and flips are drawn from.", valueName: "seed"))
  var seed: UInt64 = 1

  @Flag(
    name: .customLong("obey-input"), help: "Make each line of standard input a change, at once.")
  var obeysInput = false

  @Flag(help: "Print the statistics at the end as one JSON object.")
  var json = false

  mutating func validate() throws {
    guard !listen.isEmpty, listen.count == to.count else {
      throw ValidationError(
        "each --listen needs a --to; there are \(listen.count) and \(to.count)")
    }
    for text in listen + to { _ = try endpoint(text) }
    _ = try initialChanges()
    _ = try events(of: "")
  }

  private func endpoint(_ text: String) throws -> TCPEndpoint {
    guard let endpoint = TCPEndpoint(text) else {
      throw ValidationError("\(text) must look like HOST:PORT")
    }
    return endpoint
  }

  private func initialChanges() throws -> [LinkChange] {
    let settings = [
      ("delay", delay), ("jitter", jitter), ("rate", rate), ("spike", spike), ("flip", flipRate),
    ]
    do {
      return try settings.flatMap { name, value in
        try value.map { try LinkChange.parse("\(name) \($0)") } ?? []
      } + set.flatMap { try LinkChange.parse($0) }
    } catch {
      throw ValidationError("\(error)")
    }
  }

  private func events(of text: String) throws -> LinkScript {
    do {
      var events = try LinkScript(text)
      for line in at { try events.add(line.hasPrefix("every ") ? line : Self.withAt(line)) }
      return events
    } catch {
      throw ValidationError("\(error)")
    }
  }

  private static func withAt(_ line: String) -> String {
    line.hasPrefix("at ") ? line : "at \(line)"
  }

  func run() throws {
    var text = ""
    if let script {
      do {
        text = try String(contentsOfFile: script, encoding: .utf8)
      } catch {
        throw CommandFailure("\(script): cannot be read; check the path")
      }
    }
    let events: LinkScript
    do { events = try self.events(of: text) } catch let error as ValidationError {
      throw CommandFailure("\(script ?? "--at"): \(error.message)")
    }
    let routes = try zip(listen, to).map {
      LinkRoute(listen: try endpoint($0), target: try endpoint($1))
    }
    let emulator = try LinkEmulator(routes, initialChanges(), script: events, seed: seed)
    for (endpoint, target) in zip(emulator.endpoints, to) {
      Terminal.note("emulating a link from \(endpoint) to \(target)")
    }
    wait(emulator)
    emulator.stop()
    try report(emulator.statistics)
  }

  /// Returns once somebody ends the process.
  private func wait(_ emulator: LinkEmulator) {
    let end = DispatchSemaphore(value: 0)
    let interrupts = Interrupts([SIGINT, SIGTERM])
    defer { interrupts.release() }
    interrupts.onSignal { end.signal() }
    if obeysInput {
      Thread {
        while let line = readLine() {
          do { try emulator.apply(line) } catch { Terminal.note("conclave: \(error)") }
        }
      }.start()
    }
    end.wait()
  }

  private func report(_ statistics: LinkStatistics) throws {
    let ways = [("forward", statistics.forward), ("backward", statistics.backward)]
    if json {
      try Output.json([
        "connections": .integer(statistics.connectionCount),
        "resets": .integer(statistics.resetCount), "forward": Self.json(statistics.forward),
        "backward": Self.json(statistics.backward),
      ])
      return
    }
    var table = Table(
      ["direction", "bytes", "bursts", "dropped", "flipped", "late p50", "late p99", "late max"],
      rightAligned: [1, 2, 3, 4, 5, 6, 7])
    for (name, way) in ways {
      table.add(
        [name, Quantity.bytes(way.byteCount), "\(way.burstCount)"]
          + [Quantity.bytes(way.droppedByteCount), "\(way.flippedByteCount)"]
          + [way.lateness.p50, way.lateness.p99, way.lateness.max].map(Quantity.time))
    }
    for line in table.lines(style: .results) { try Output.line(line) }
    try Output.line(
      "\(statistics.connectionCount) connections, \(statistics.resetCount) resets")
  }

  private static func json(_ way: LinkStatistics.Way) -> JSONText {
    .object([
      ("bytes", .integer(way.byteCount)), ("bursts", .integer(way.burstCount)),
      ("droppedBytes", .integer(way.droppedByteCount)),
      ("flippedBytes", .integer(way.flippedByteCount)),
      ("lateP50", .number(way.lateness.p50.microseconds)),
      ("lateP99", .number(way.lateness.p99.microseconds)),
      ("lateMax", .number(way.lateness.max.microseconds)),
    ])
  }
}
