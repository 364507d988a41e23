import Foundation
import FuzzTargets
import TestSupport
import Testing

/// Every parser over its corpus, and over seeded mutations of it: nothing traps, nothing takes long.
///
/// The same targets run under libFuzzer for as long as one likes: `Tests/Fuzz/run`.
@Suite(.serialized) struct CorpusTests {
  /// The seeds, with those hostile fixtures that are of the same kind.
  private func seeds(_ target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
    var seeds = try target.seeds
    let hostile = Fixtures.folder.appending(path: "hostile")
    let names = try FileManager.default.contentsOfDirectory(atPath: hostile.path).sorted()
    for name in names {
      let path = hostile.appending(path: name)
      switch target {
      case .gguf where name.hasSuffix(".gguf"):
        seeds.append((name, Array(try Data(contentsOf: path))))
      case .safetensors where name.hasPrefix("st-"):
        let shard = path.appending(path: "model.safetensors")
        if let data = try? Data(contentsOf: shard) { seeds.append((name, Array(data))) }
      default: break
      }
    }
    return seeds
  }

  @Test(arguments: FuzzTarget.allCases)
  func `every input of the corpus is taken or refused`(target: FuzzTarget) throws {
    let seeds = try seeds(target)
    #expect(!seeds.isEmpty)
    for seed in seeds { expectQuick(target, seed.bytes, seed.name) }
    for bytes in [[], [0], [0xFF], [UInt8](repeating: 0x5B, count: 100_000)] as [[UInt8]] {
      expectQuick(target, bytes, "\(bytes.prefix(1)) × \(bytes.count)")
    }
  }

  @Test(arguments: FuzzTarget.allCases)
  func `cut, flipped, repeated and swapped parts are taken or refused`(target: FuzzTarget) throws {
    let seeds = try seeds(target).filter { $0.bytes.count <= 1 << 16 }
    var random = Mutations(seed: 0xC0_5E)
    for round in 0..<200 {
      let seed = try #require(seeds.randomElement(using: &random))
      let other = try #require(seeds.randomElement(using: &random))
      let bytes = random.mutate(seed.bytes, with: other.bytes)
      expectQuick(target, bytes, "\(seed.name), round \(round)")
    }
  }

  /// A second is the limit under libFuzzer; here it is a bound against hangs on a busy machine.
  private func expectQuick(_ target: FuzzTarget, _ bytes: [UInt8], _ name: String) {
    let start = ContinuousClock.now
    target.run(bytes)
    #expect(ContinuousClock.now - start < .seconds(20), "\(target.rawValue): \(name)")
  }
}

/// Changes of bytes that a seed determines.
struct Mutations: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  private static let interesting: [[UInt8]] = [
    [0], [0xFF], [0x7F], [0x80], [UInt8](repeating: 0xFF, count: 8),
    [UInt8](repeating: 0xFF, count: 7) + [0x7F], [0, 0, 0, 0, 0, 0, 0, 0x80], Array("-1".utf8),
    Array("9223372036854775808".utf8), Array("1e999".utf8), Array("[[[[[[[[".utf8),
    Array("\\ud800".utf8), [0xC0, 0x80], Array("null".utf8), Array("\"".utf8),
  ]

  /// One to four changes.
  mutating func mutate(_ bytes: [UInt8], with other: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &self) {
      let place = Int.random(in: 0...bytes.count, using: &self)
      switch Int.random(in: 0..<6, using: &self) {
      case 0: bytes.removeSubrange(place...)
      case 1 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &self)
      case 2 where place < bytes.count:
        let end = Int.random(in: place...min(bytes.count, place + 64), using: &self)
        bytes.insert(contentsOf: bytes[place..<end], at: place)
      case 3 where place < bytes.count:
        let end = Int.random(in: place...min(bytes.count, place + 16), using: &self)
        bytes.removeSubrange(place..<end)
      case 4 where !other.isEmpty:
        let start = Int.random(in: other.indices, using: &self)
        bytes.insert(contentsOf: other[start..<min(other.count, start + 128)], at: place)
      default:
        let value = Self.interesting.randomElement(using: &self) ?? [0]
        bytes.replaceSubrange(place..<min(bytes.count, place + value.count), with: value)
      }
    }
    return bytes
  }
}
