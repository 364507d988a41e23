import Foundation
import Inference
import Synchronization
import Testing
import Tokenization

/// Prefixes that leave memory come back from disk, and nothing changes when the disk fails.
@Suite(.serialized) struct PrefixDiskTests {
  private let folder = FileManager.default.temporaryDirectory.appending(
    path: "prefixes-\(UUID().uuidString)")

  init() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  /// An engine with memory for one sequence of 48 tokens.
  private func engine(
    pages: Int = 1000, onFailure: @escaping @Sendable (String) -> Void = { _ in }
  ) throws -> Engine {
    var options = EngineOptions()
    options.cacheMemory = 12
    options.prefixStore = PrefixStoreOptions(
      folder: folder.path, byteCount: pages * 4 * MemoryLayout<TokenID>.size, onFailure: onFailure)
    return try Engine(HashModel(), tokenizer: demoTokenizer, options: options)
  }

  private func request(_ start: TokenID, tenant: String? = nil) -> GenerationRequest {
    var request = GenerationRequest(
      prompt: (0..<41).map { start + $0 }, maxTokens: 4)
    request.tenant = tenant
    return request
  }

  private func told(_ engine: Engine, _ start: TokenID, tenant: String? = nil) async throws -> Told
  {
    await Told(try engine.submit(request(start, tenant: tenant)))
  }

  @Test func whatLeftMemoryComesBack() async throws {
    let engine = try engine()
    let first = try await told(engine, 10)
    let other = try await told(engine, 100)
    #expect(other.summaryOfLast?.cachedPromptTokens == 0)
    let again = try await told(engine, 10)
    #expect(again == first)
    #expect(again.summaryOfLast?.cachedPromptTokens == 40)
    // The first block has not had to go.
    #expect(engine.status.loadedPrefixPageCount >= 9)
    #expect(engine.status.storedPrefixPageCount >= 10)
    // Nothing in the folder has a name.
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test func tenantsSeeTheirOwnOnly() async throws {
    let engine = try engine()
    _ = try await told(engine, 10, tenant: "a")
    _ = try await told(engine, 100, tenant: "a")
    #expect(try await told(engine, 10, tenant: "b").summaryOfLast?.cachedPromptTokens == 0)
  }

  @Test func aFullFileLosesWhatWasUnusedForLongest() async throws {
    let engine = try engine(pages: 4)
    for start in [10, 100, 200, 10] { _ = try await told(engine, TokenID(start)) }
    let status = engine.status
    #expect(status.storedPrefixPageCount == 4)
  }

  @Test func aDamagedFileIsNotUsed() async throws {
    let failures = Mutex<[String]>([])
    let engine = try engine { text in failures.withLock { $0.append(text) } }
    let first = try await told(engine, 10)
    _ = try await told(engine, 100)
    try damage()
    let again = try await told(engine, 10)
    #expect(again.tokens == first.tokens)
    #expect(again.summaryOfLast?.cachedPromptTokens == 4, "the block that is still in memory")
    #expect(failures.withLock { $0.count } == 1)
    #expect(engine.status.storedPrefixPageCount == 0)
  }

  /// Flips a bit of every byte of this test's file, which only its descriptor leads to.
  private func damage() throws {
    let descriptors = "/proc/self/fd"
    for number in try FileManager.default.contentsOfDirectory(atPath: descriptors) {
      let path = "\(descriptors)/\(number)"
      guard
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path),
        target.hasPrefix(folder.path)
      else { continue }
      let file = try FileHandle(forUpdating: URL(filePath: path))
      let bytes = try file.readToEnd() ?? Data()
      try file.seek(toOffset: 0)
      try file.write(contentsOf: Data(bytes.map { $0 ^ 1 }))
      return
    }
    Issue.record("the file is not open")
  }

  @Test func aFolderThatIsNotThereIsAnError() {
    var options = EngineOptions()
    options.prefixStore = PrefixStoreOptions(folder: "/nonexistent", byteCount: 1 << 20)
    #expect {
      _ = try Engine(HashModel(), tokenizer: demoTokenizer, options: options)
    } throws: { "\($0)".contains("/nonexistent: No such file or directory") }
  }
}
