import Testing

import LinkEmulation

@Suite struct LinkScriptTests {
  @Test(
    arguments: [
      ("250us", 250_000), ("1.5ms", 1_500_000), ("2s", 2_000_000_000), ("0ms", 0), ("7ns", 7),
      ("250", nil), ("us", nil), ("-1ms", nil), ("99999999min", nil), ("", nil),
    ] as [(String, UInt64?)])
  func `times have units`(text: String, nanoseconds: UInt64?) {
    #expect(LinkQuantity.nanoseconds(text) == nanoseconds)
  }

  @Test(
    arguments: [
      ("1Gbit/s", 125e6), ("100Mbit", 12.5e6), ("1.5MB/s", 1.5e6), ("10Gbps", 1.25e9),
      ("8bit/s", 1),
      ("1", nil), ("0Gbit/s", nil), ("fast", nil),
    ] as [(String, Double?)])
  func `rates have units`(text: String, bytesPerSecond: Double?) {
    #expect(LinkQuantity.bytesPerSecond(text) == bytesPerSecond)
  }

  @Test(
    arguments: [("1%", 0.01), ("1e-6", 1e-6), ("1", 1), ("101%", nil), ("-0.1", nil)]
      as [(String, Double?)])
  func `shares are from 0 to 1`(text: String, share: Double?) {
    #expect(LinkQuantity.share(text) == share)
  }

  @Test func `a line is one or more changes, of one direction or both`() throws {
    #expect(
      try LinkChange.parse("backward delay 250us rate 1Gbit/s spike 1% 20ms") == [
        LinkChange(.delay(250_000), direction: .backward),
        LinkChange(.rate(125e6), direction: .backward),
        LinkChange(.spike(probability: 0.01, 20_000_000), direction: .backward),
      ])
    #expect(try LinkChange.parse("stall cut") == [LinkChange(.stall(nil)), LinkChange(.cut)])
    #expect(try LinkChange.parse("stall 2ms") == [LinkChange(.stall(2_000_000))])
    #expect(try LinkChange.parse("rate unlimited") == [LinkChange(.rate(nil))])
  }

  @Test(arguments: [
    ("backward", "a change is missing: "), ("delay", "delay needs a time such as 250us"),
    ("explode", "explode is no change of a link: delay TIME, "),
    ("rate fast", "rate needs a rate such as 1Gbit/s, 120MB/s or unlimited, not 'fast'"),
    ("spike 20ms", "spike needs a share such as 1% or 1e-6, not '20ms'"),
  ])
  func `what cannot be read is named`(line: String, error: String) {
    #expect {
      try LinkChange.parse(line)
    } throws: {
      ($0 as? LinkSyntaxError)?.description.hasPrefix(error) == true
    }
  }

  @Test func `events come in order of time, again when they are periodic`() throws {
    var script = try LinkScript(
      """
      # a link that falters
      at 2s backward drop
      every 3s stall 1ms  # now and then

      at 500ms delay 1ms
      """)
    #expect(script.nextTime == 500_000_000)
    #expect(script.takeDue(at: 499_999_999) == [])
    #expect(
      script.takeDue(at: 2_000_000_000) == [
        LinkChange(.delay(1_000_000)), LinkChange(.drop, direction: .backward),
      ])
    #expect(script.takeDue(at: 6_000_000_000).count == 2)
    #expect(script.nextTime == 9_000_000_000)
  }

  @Test(arguments: ["at soon drop", "at 2s", "in 2s drop", "every 0s drop"])
  func `an error in a script has its line`(line: String) {
    #expect {
      try LinkScript("at 1s drop\n\(line)")
    } throws: {
      ($0 as? LinkSyntaxError)?.description.hasPrefix("line 2: ") == true
    }
  }
}
