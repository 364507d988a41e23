import Foundation
import Testing
import Transport

/// Keys and their files: what is read back, what is refused, and in which words.
@Suite struct KeyTests {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "conclave-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func path(_ name: String) -> String { folder.appending(path: name).path }

  private func write(_ text: String, _ name: String, mode: mode_t = 0o600) throws -> String {
    try text.write(toFile: path(name), atomically: false, encoding: .utf8)
    unsafe chmod(path(name), mode)
    return path(name)
  }

  private func remove() { try? FileManager.default.removeItem(at: folder) }

  @Test func `a key pair is read as it was written, by its owner alone`() throws {
    defer { remove() }
    let pair = try KeyPair.random()
    try KeyPairFile.write(pair, to: path("a.key"))
    let found = try KeyPairFile.read(path("a.key"))
    #expect(found.publicKey == pair.publicKey)
    #expect("\(found)" == "key pair of \(pair.publicKey)")
    #expect(try PublicKey("\(pair.publicKey)".uppercased()) == pair.publicKey)
    let attributes = try FileManager.default.attributesOfItem(atPath: path("a.key"))
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    let again = #expect(throws: KeyError.self) { try KeyPairFile.write(pair, to: path("a.key")) }
    #expect(again?.description.contains("a key is never overwritten") == true)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.key"])
    #expect(try KeyPair.random().publicKey != pair.publicKey)
  }

  @Test(arguments: [0o644, 0o640, 0o604, 0o602, 0o660] as [mode_t])
  func `files that others can read are refused`(mode: mode_t) throws {
    defer { remove() }
    try KeyPairFile.write(.random(), to: path("a.key"))
    unsafe chmod(path("a.key"), mode)
    let list = try write("", "list", mode: mode)
    let digits = String(mode, radix: 8)
    for error in [
      #expect(throws: KeyError.self) { try KeyPairFile.read(path("a.key")) },
      #expect(throws: KeyError.self) { try AllowListFile(reading: list) },
    ] {
      #expect(error?.description.hasSuffix("(mode \(digits)); run chmod 600 on it") == true)
    }
  }

  @Test func `what is no key pair is refused with its name`() throws {
    defer { remove() }
    let (one, two) = (try KeyPair.random(), try KeyPair.random())
    try KeyPairFile.write(one, to: path("one"))
    try KeyPairFile.write(two, to: path("two"))
    let texts = try ["one", "two"].map { try String(contentsOfFile: path($0), encoding: .utf8) }
    let lines = texts.map { $0.split(separator: "\n") }
    let mixed =
      lines[0].filter { !$0.hasPrefix("secret") } + lines[1].filter { $0.hasPrefix("sec") }
    for text in ["", "public\n", "\u{0}", texts[0] + texts[1], "public 00\nsecret 00\n"] {
      let file = try write(text, "bad")
      let error = #expect(throws: KeyError.self) { try KeyPairFile.read(file) }
      #expect(
        error?.description == "\(file): this is no key pair; `conclave keys new FILE` makes one")
    }
    let file = try write(mixed.joined(separator: "\n"), "mixed")
    let error = #expect(throws: KeyError.self) { try KeyPairFile.read(file) }
    #expect(error?.description.contains("do not belong together") == true)
    #expect(throws: KeyError.self) { try KeyPairFile.read(path("none")) }
    #expect(throws: KeyError.self) { try KeyPairFile.read(folder.path) }
    let large = try write(String(repeating: "#", count: 5000), "large")
    #expect(throws: KeyError.self) { try KeyPairFile.read(large) }
  }

  /// Both secrets of zmq_curve(7), as hexadecimal digits, and their public halves.
  @Test(arguments: [
    (
      "bb88471d65e2659b30c55a5321cebb5aab2b70a398645c26dca2b2fcb43fc518",
      "7bb864b489afa3671fbe69101f94b38972f24816dfb01b51656b3fec8dfd0888"
    ),
    (
      "54fcba24e93249969316fb617c872bb0c1d1ff14800427c594cbfacf1bc2d652",
      "8e0bdd697628b91d8f245587ee95c5b04d48963f79259877b49cd9063aead3b7"
    ),
  ])
  func `the keys that the manual prints are refused`(publicText: String, secret: String) throws {
    defer { remove() }
    let error = #expect(throws: KeyError.self) { try PublicKey(publicText) }
    #expect(error?.description.contains("an example key that everybody knows") == true)
    let file = try write("public \(publicText)\nsecret \(secret)\n", "example.key")
    let other = #expect(throws: KeyError.self) { try KeyPairFile.read(file) }
    #expect(other?.description.contains("an example key that everybody knows") == true)
    let zero = String(repeating: "0", count: 64)
    #expect(throws: KeyError.self) { try PublicKey(zero) }
  }

  @Test func `a list is written, read, and named line by line when it is wrong`() throws {
    defer { remove() }
    let keys = try (0..<3).map { _ in try KeyPair.random().publicKey }
    var file = AllowListFile(new: path("list"))
    for (index, key) in keys.enumerated() {
      try file.add(.init(key: key, name: "rack\(index)", added: index == 1 ? "2026-01-31" : nil))
    }
    try file.write()
    #expect(try AllowListFile(reading: path("list")).entries == file.entries)
    #expect(try file.remove("rack0").key == keys[0])
    #expect(try file.remove("\(keys[1])").name == "rack1")
    #expect(throws: KeyError.self) { try file.remove("rack0") }
    #expect(file.entries.map(\.name) == ["rack2"])
    #expect(throws: KeyError.self) { try file.add(.init(key: keys[2], name: "other")) }
    #expect(throws: KeyError.self) { try file.add(.init(key: keys[0], name: "rack2")) }
    #expect(throws: KeyError.self) { try AllowListFile.Entry(key: keys[0], name: "a b") }
    for (line, problem) in [
      ("\(keys[0])", "a line needs a public key and a name"),
      ("xyz rack", "\"xyz\" is no public key"),
      ("\(keys[0]) rack added=\(keys[0])\(keys[0])", "is not understood"),
      ("\(keys[0]) rack role=admin", "\"role=admin\" is not understood"),
      ("\(keys[0]) räck", "is no name for a key"),
    ] {
      let wrong = try write("# one\n\n\(line)\n", "wrong")
      let error = #expect(throws: KeyError.self) { try AllowListFile(reading: wrong) }
      #expect(error?.description.hasPrefix("\(wrong), line 3: ") == true)
      #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
    }
  }

  /// The link was replaced, and the file that a coordinator reads was not.
  @Test func `a list behind a link is changed, and the link stays`() throws {
    defer { remove() }
    let manager = FileManager.default
    try manager.createSymbolicLink(atPath: path("link"), withDestinationPath: path("list"))
    _ = try write("", "list")
    var file = try AllowListFile(reading: path("link"))
    try file.add(.init(key: KeyPair.random().publicKey, name: "rack1"))
    try file.write()
    #expect(try manager.destinationOfSymbolicLink(atPath: path("link")) == path("list"))
    #expect(try AllowListFile(reading: path("list")).entries.map(\.name) == ["rack1"])
    #expect(try Set(manager.contentsOfDirectory(atPath: folder.path)) == ["link", "list"])
  }

  @Test(arguments: [
    ("tcp://127.0.0.1:7400", true), ("tcp://127.9.9.9:*", true), ("tcp://localhost:1", true),
    ("tcp://[::1]:1", true), ("tcp://0.0.0.0:1", false), ("tcp://*:1", false),
    ("tcp://[::]:1", false), ("tcp://192.168.1.10:7400", false), ("tcp://127.0.0.1.evil:1", false),
    ("tcp://127.0.0.256:1", false), ("tcp://127.1:1", false), ("tcp://lo:1", false),
    ("tcp://", false), ("tcp://127.0.0.1", false), ("127.0.0.1:1", false), ("", false),
    ("tcp://128.0.0.1:1", false),
  ])
  func `only addresses of this machine count as such`(endpoint: String, isLoopback: Bool) {
    #expect(Loopback.contains(endpoint) == isLoopback)
  }
}
