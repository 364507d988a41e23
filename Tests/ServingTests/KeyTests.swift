import Foundation
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import Synchronization
import Serving
import Testing

/// A folder that is removed with its owner.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appending(path: "conclave-\(UUID())").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// A file of keys with these.
  func keys(_ keys: [APIKey], name: String = "keys") throws -> String {
    let path = "\(path)/\(name)"
    var file = KeyFile(new: path)
    for key in keys { try file.add(key) }
    try file.write()
    return path
  }
}

private func mode(_ path: String) throws -> Int {
  let attributes = try FileManager.default.attributesOfItem(atPath: path)
  return try #require(attributes[.posixPermissions] as? NSNumber).intValue
}

@Suite struct KeyFileTests {
  @Test func whatIsWrittenIsReadAgain() throws {
    let folder = try TemporaryFolder()
    var limits = APIKey.Limits()
    limits.requestsPerMinute = 60
    limits.tokensPerMinute = 20_000
    limits.tokensPerDay = 1_000_000
    limits.priority = .high
    let keys = [
      try APIKey(name: "alice", digest: APISecret.random().digest, created: "2026-01-31"),
      try APIKey(name: "b.o-b@example_1", digest: APISecret.random().digest, limits: limits),
    ]
    let path = try folder.keys(keys)
    #expect(try mode(path) == 0o600)
    #expect(try KeyFile(reading: path).keys == keys)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["keys"])
  }

  @Test func aSecretIsNotInTheFile() throws {
    let folder = try TemporaryFolder()
    let secret = APISecret.random()
    #expect(secret.text.wholeMatch(of: /sk-conclave-[A-Za-z0-9_-]{43}/) != nil)
    #expect(secret.text != APISecret.random().text)
    let path = try folder.keys([APIKey(name: "a", digest: secret.digest)])
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(!text.contains(secret.text.dropFirst(12)))
    // SHA-256 of "abc" (FIPS 180-2, appendix B.1).
    let digest = APISecret("abc").digest.map { String(format: "%02x", $0) }.joined()
    #expect(digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test(arguments: [0o640, 0o604, 0o620, 0o666])
  func aFileThatOthersCanReadIsRefused(mode: Int) throws {
    let folder = try TemporaryFolder()
    let path = try folder.keys([APIKey(name: "a", digest: APISecret.random().digest)])
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    let error = #expect(throws: KeyFileError.self) { _ = try KeyFile(reading: path) }
    #expect(
      error?.description
        == "\(path): others can read or change the API keys (mode \(String(mode, radix: 8)));"
        + " run chmod 600 on it")
  }

  /// The mode was the link's, 777, and a revoked key went on working: the link was replaced.
  @Test func aFileBehindALinkIsReadAndChangedAndTheLinkStays() throws {
    let folder = try TemporaryFolder()
    let path = try folder.keys([APIKey(name: "a", digest: APISecret.random().digest)])
    let link = folder.path + "/link"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
    var file = try KeyFile(reading: link)
    #expect(file.keys.map(\.name) == ["a"])
    try file.remove(named: "a")
    try file.write()
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == path)
    #expect(try KeyFile(reading: path).keys.isEmpty)
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
    #expect(throws: KeyFileError.self) { _ = try KeyFile(reading: link) }
  }

  @Test func aMissingFileSaysHowToMakeOne() {
    let error = #expect(throws: KeyFileError.self) { _ = try KeyFile(reading: "/no-such-file") }
    #expect(
      error?.description
        == "/no-such-file: there is no such file; `conclave keys api new` makes one")
  }

  static let noDigest = "a key is a name and the 64 digits of its SHA-256, then its limits"
  static let digest = String(repeating: "0a", count: 32)

  @Test(arguments: [
    ("alice", noDigest), ("alice 0a", noDigest), ("alice \(digest.dropLast())x", noDigest),
    ("alice \(digest) many", "\"many\" is not understood; limits look like NAME=VALUE"),
    ("alice \(digest) colour=red", "colour is not known here"),
    (
      "alice \(digest) requests-per-minute=0",
      "requests-per-minute must be a number from 1, not 0"
    ),
    ("alice \(digest) priority=urgent", "priority must be low, normal or high, not urgent"),
    (
      "al/ice \(digest)",
      "\"al/ice\" is no name for a key: use 1 to 64 letters, digits and . _ @ -"
    ),
    ("bob \(digest)\nbob \(digest)", "there are two keys for bob"),
    ("public \(digest)", "public is a word of machines' keys, and no name for an API key"),
  ])
  func aWrongLineIsNamed(text: String, problem: String) {
    let error = #expect(throws: KeyFileError.self) {
      _ = try KeyFile.parse("# comment\n\n\(text)\n", path: "keys")
    }
    let line = 3 + text.filter { $0 == "\n" }.count
    #expect(error?.description == "keys, line \(line): \(problem)")
  }

  @Test func namesAreUniqueAndRevocable() throws {
    var file = KeyFile(new: "keys")
    try file.add(APIKey(name: "a", digest: APISecret.random().digest))
    #expect(throws: KeyFileError.self) {
      try file.add(APIKey(name: "a", digest: APISecret.random().digest))
    }
    #expect(throws: KeyFileError.self) {
      try file.add(APIKey(name: "secret", digest: APISecret.random().digest))
    }
    try file.remove(named: "a")
    #expect(file.keys.isEmpty)
    #expect(throws: KeyFileError.self) { try file.remove(named: "a") }
  }
}

@Suite struct LimitTests {
  @Test func aBucketFillsSteadily() {
    var bucket = TokenBucket(capacity: 60, period: .seconds(60), at: .zero)
    for _ in 0..<60 {
      #expect(bucket.wait(for: 1, at: .zero) == .zero)
      bucket.charge(1, at: .zero)
    }
    #expect(bucket.wait(for: 1, at: .zero) == .seconds(1))
    #expect(bucket.wait(for: 1, at: .milliseconds(500)) == .milliseconds(500))
    #expect(bucket.wait(for: 1, at: .seconds(1)) == .zero)
    #expect(bucket.remaining(at: .seconds(3600)) == 60)
  }

  @Test func whoOverdrawsWaitsLonger() {
    var bucket = TokenBucket(capacity: 100, period: .seconds(10), at: .zero)
    bucket.charge(250, at: .zero)
    #expect(bucket.wait(for: 1, at: .zero) == .seconds(15.1))
    #expect(bucket.remaining(at: .zero) == 0)
  }

  @Test func timeThatGoesBackChangesNothing() {
    var bucket = TokenBucket(capacity: 10, period: .seconds(10), at: .seconds(5))
    bucket.charge(10, at: .seconds(5))
    #expect(bucket.wait(for: 1, at: .zero) == .seconds(1))
  }

  @Test func anAccountSaysWhichLimitIsUsedUp() {
    var limits = APIKey.Limits()
    limits.requestsPerMinute = 2
    limits.tokensPerMinute = 100
    let account = Account(name: "a", limits: limits, at: .zero)
    #expect(account.admit(at: .zero) == nil)
    account.charge(prompt: 90, output: 20, at: .zero)
    let refusal = account.admit(at: .zero)
    #expect(refusal?.limit == "tokens-per-minute")
    #expect(refusal?.wait == .seconds(6.6))
    #expect(account.admit(at: .seconds(7)) == nil)
    #expect(account.admit(at: .seconds(7))?.limit == "requests-per-minute")
    #expect(account.usage.requests == 2)
    #expect(account.usage.refusals == 2)
    #expect(account.usage.promptTokens == 90 && account.usage.outputTokens == 20)
  }

  @Test func aChangedFileKeepsWhatWasUsed() {
    var limits = APIKey.Limits()
    limits.requestsPerMinute = 1
    let account = Account(name: "a", limits: limits, at: .zero)
    #expect(account.admit(at: .zero) == nil)
    limits.tokensPerDay = 5
    account.change(to: limits, at: .zero)
    #expect(account.admit(at: .zero)?.limit == "requests-per-minute")
    limits.requestsPerMinute = nil
    account.change(to: limits, at: .zero)
    #expect(account.admit(at: .zero) == nil)
  }

  @Test func failuresAreLimitedPerAddress() {
    var limiter = FailureLimiter()
    for _ in 0..<FailureLimiter.perMinute { #expect(limiter.fail("a", at: .zero) == .zero) }
    #expect(limiter.fail("a", at: .zero) > .zero)
    #expect(limiter.fail("b", at: .zero) == .zero)
    #expect(limiter.fail("a", at: .seconds(60)) == .zero)
  }

  @Test func aFloodOfAddressesTakesNoMoreMemory() {
    var limiter = FailureLimiter()
    for address in 0..<20_000 { _ = limiter.fail("\(address)", at: .zero) }
    #expect(limiter.addressCount <= 4096)
  }
}

@Suite struct KeyRingTests {
  @Test func aChangedFileIsReadWithinASecond() throws {
    let folder = try TemporaryFolder()
    let (first, second) = (APISecret.random(), APISecret.random())
    let path = try folder.keys([APIKey(name: "a", digest: first.digest)])
    let clock = ManualClock()
    let ring = try KeyRing(file: path, logger: Logger(label: "test"), now: { clock.now })
    #expect(ring.account(of: first)?.name == "a")
    #expect(ring.account(of: second) == nil)
    _ = try folder.keys([APIKey(name: "b", digest: second.digest)])
    #expect(ring.account(of: first) != nil, "it looks once a second only")
    clock.advance(by: .seconds(1))
    #expect(ring.account(of: second)?.name == "b")
    #expect(ring.account(of: first) == nil)
  }

  @Test func aBrokenFileKeepsTheOldKeys() throws {
    let folder = try TemporaryFolder()
    let secret = APISecret.random()
    let path = try folder.keys([APIKey(name: "a", digest: secret.digest)])
    let ring = try KeyRing(file: path, logger: Logger(label: "test"))
    try Data("nonsense\n".utf8).write(to: URL(filePath: path))
    ring.reload()
    #expect(ring.account(of: secret)?.name == "a")
    try FileManager.default.removeItem(atPath: path)
    ring.reload()
    #expect(ring.account(of: secret)?.name == "a")
  }

  @Test func digestsAreComparedWhole() {
    let digest = APISecret("a").digest
    for index in digest.indices {
      var other = digest
      other[index] ^= 1
      #expect(!isSame(digest, other))
    }
    #expect(isSame(digest, digest))
    #expect(!isSame(digest, Array(digest.dropLast())))
  }
}

/// A clock that a test moves.
final class ManualClock: Sendable {
  private let time = Mutex(Duration.zero)
  var now: Duration { time.withLock { $0 } }
  func advance(by duration: Duration) { time.withLock { $0 += duration } }
}
