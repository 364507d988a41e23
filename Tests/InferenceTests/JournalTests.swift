import Foundation
import Inference
import Synchronization
import Testing
import Tokenization

/// A journal's bytes in memory, on a disk that can be full.
private final class MemoryStorage: JournalStorage {
  struct Full: Error, CustomStringConvertible { let description = "no space left on device" }

  struct State {
    var bytes: [UInt8] = []
    var setAside: [UInt8] = []
    var capacity = Int.max
    var synchronizeCount = 0
  }

  let state: Mutex<State>

  init(_ bytes: [UInt8] = []) {
    state = Mutex(State(bytes: bytes))
  }

  var bytes: [UInt8] { state.withLock { $0.bytes } }

  func read() -> [UInt8] { bytes }

  /// Like a file: what still fits is written.
  func append(_ bytes: [UInt8]) throws {
    try state.withLock { state in
      state.bytes += bytes.prefix(max(0, state.capacity - state.bytes.count))
      if state.bytes.count == state.capacity { throw Full() }
    }
  }

  func synchronize() { state.withLock { $0.synchronizeCount += 1 } }
  func truncate(to byteCount: Int) { state.withLock { $0.bytes.removeSubrange(byteCount...) } }

  func replace(with bytes: [UInt8]) throws {
    try state.withLock { state in
      guard bytes.count <= state.capacity else { throw Full() }
      state.bytes = bytes
    }
  }

  func setAside(_ bytes: [UInt8]) { state.withLock { $0.setAside = bytes } }
}

private func request(_ number: Int) -> GenerationRequest {
  var request = GenerationRequest(
    prompt: [1, 2, TokenID(number)], maxTokens: number % 2 == 0 ? nil : 7,
    sampling: SamplingParameters(
      temperature: 0.5, topK: 3, topP: 0.9, minP: 0.1, repetitionPenalty: 1.1,
      frequencyPenalty: -0.5, presencePenalty: 0.25, penaltyWindow: 9,
      seed: UInt64.max - UInt64(number), logitBias: [5: -1, 2: 0.5]),
    stopStrings: ["stop", "Ende ü"], stopTokens: [3, 1], answerPrefix: " ")
  request.id = RequestID("r\(number)")
  request.tenant = number % 3 == 0 ? nil : "tenant \(number)"
  request.priority = .high
  request.topLogprobs = 4
  request.deadline = .milliseconds(1500)
  request.note = [1, 2, 3, UInt8(number)]
  return request
}

private func same(_ first: GenerationRequest, _ second: GenerationRequest) -> Bool {
  first.prompt == second.prompt && first.maxTokens == second.maxTokens
    && first.sampling == second.sampling && first.stopStrings == second.stopStrings
    && first.stopTokens == second.stopTokens && first.answerPrefix == second.answerPrefix
    && first.id == second.id && first.tenant == second.tenant && first.priority == second.priority
    && first.topLogprobs == second.topLogprobs && first.deadline == second.deadline
    && first.note == second.note
}

@Suite(.timeLimit(.minutes(10))) struct JournalTests {
  /// Three requests accepted, the second of them over.
  private func filled() async throws -> [UInt8] {
    let storage = MemoryStorage()
    let journal = try RequestJournal(storage)
    var serials: [UInt64] = []
    for number in 1...3 {
      serials.append(try await journal.accept(request(number), choices: number))
    }
    journal.finish(serials[1])
    await journal.flush()
    return storage.bytes
  }

  @Test func whatIsNotOverIsFoundAgain() async throws {
    let found = try await RequestJournal(MemoryStorage(filled())).recovery
    #expect(found.damagedByteCount == 0)
    #expect(found.unfinished.map(\.choices) == [1, 3])
    #expect(same(found.unfinished[0].request, request(1)))
    #expect(same(found.unfinished[1].request, request(3)))
  }

  @Test func acceptedMeansWrittenAndSynchronized() async throws {
    let storage = MemoryStorage()
    let journal = try RequestJournal(storage)
    _ = try await journal.accept(request(1), choices: 1)
    #expect(storage.state.withLock { $0.synchronizeCount } == 1)
    #expect(try RequestJournal(MemoryStorage(storage.bytes)).recovery.unfinished.count == 1)
  }

  @Test func aFileThatIsCutAnywhereHasItsWholeRecords() async throws {
    let bytes = try await filled()
    let whole = try RequestJournal(MemoryStorage(bytes)).recovery.unfinished.map(\.request.id)
    #expect(whole.count == 2)
    var counts: [Int] = []
    for length in 0...bytes.count {
      let storage = MemoryStorage(Array(bytes.prefix(length)))
      let journal = try RequestJournal(storage)
      counts.append(journal.recovery.unfinished.count)
      // It goes on from there.
      let serial = try await journal.accept(request(9), choices: 1)
      let next = try RequestJournal(MemoryStorage(storage.bytes)).recovery
      #expect(next.damagedByteCount == 0)
      #expect(next.unfinished.count == counts[length] + 1)
      #expect(next.unfinished.last?.serial == serial)
      #expect(next.unfinished.last?.request.id == request(9).id)
    }
    // None, one, two, three accepted, then two again as one is over.
    #expect(Set(counts) == [0, 1, 2, 3] && counts.last == 2)
    #expect(counts.dropLast().sorted() == Array(counts.dropLast()))
  }

  @Test func aFlippedBitEndsTheFileThere() async throws {
    let bytes = try await filled()
    var random = RandomGenerator(seed: 1)
    for _ in 0..<2_000 {
      var damaged = bytes
      let bit = Int.random(in: 64..<8 * bytes.count, using: &random)
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      let storage = MemoryStorage(damaged)
      let recovery = try RequestJournal(storage).recovery
      #expect(recovery.damagedByteCount > 0, "bit \(bit)")
      #expect(storage.state.withLock { $0.setAside.count } == recovery.damagedByteCount)
      for found in recovery.unfinished {
        let number = try #require(found.request.note.last)
        #expect(same(found.request, request(Int(number))))
      }
    }
  }

  /// Two coordinators used to write to one journal, each over what the other had written.
  @Test func aJournalBelongsToOneProcess() throws {
    let path = FileManager.default.temporaryDirectory
      .appending(path: "journal-\(UInt64.random(in: 0 ... .max))").path
    defer {
      for name in [path, path + ".lock"] { try? FileManager.default.removeItem(atPath: name) }
    }
    let script = """
      import fcntl, sys
      file = open(sys.argv[1], "w")
      fcntl.lockf(file, fcntl.LOCK_EX)
      print("held", flush=True)
      sys.stdin.read()
      """
    let other = Process()
    let (input, output) = (Pipe(), Pipe())
    other.executableURL = URL(filePath: "/usr/bin/env")
    other.arguments = ["python3", "-c", script, path + ".lock"]
    other.standardInput = input
    other.standardOutput = output
    try other.run()
    _ = output.fileHandleForReading.availableData
    let error = #expect(throws: InferenceError.self) { try RequestJournal(path: path) }
    #expect(error?.description.contains("another process writes this request journal") == true)
    try input.fileHandleForWriting.close()
    other.waitUntilExit()
    #expect(throws: Never.self) { try RequestJournal(path: path) }
  }

  @Test func anotherFileIsLeftAlone() {
    let storage = MemoryStorage(Array("something else".utf8))
    #expect(
      throws: InferenceError.journalFailed(
        "j is not a request journal; give another file or move it away")
    ) { try RequestJournal(storage, path: "j") }
    #expect(storage.bytes == Array("something else".utf8))
  }

  @Test func aFullDiskRefusesAndEverythingElseGoesOn() async throws {
    let storage = MemoryStorage()
    let journal = try RequestJournal(storage)
    let first = try await journal.accept(request(1), choices: 1)
    let size = storage.bytes.count
    storage.state.withLock { $0.capacity = size + 10 }
    await #expect(throws: InferenceError.self) {
      try await journal.accept(request(2), choices: 1)
    }
    // Nothing half is left behind.
    #expect(storage.bytes.count == size)
    #expect(try RequestJournal(MemoryStorage(storage.bytes)).recovery.unfinished.count == 1)
    // What is over makes room although the disk is full.
    journal.finish(first)
    await journal.flush()
    #expect(try RequestJournal(MemoryStorage(storage.bytes)).recovery.unfinished.isEmpty)
    #expect(storage.bytes.count < size)
    storage.state.withLock { $0.capacity = .max }
    _ = try await journal.accept(request(3), choices: 1)
    #expect(try RequestJournal(MemoryStorage(storage.bytes)).recovery.unfinished.count == 1)
  }

  @Test func theFileStaysInProportionToWhatIsUnderWay() async throws {
    let storage = MemoryStorage()
    let journal = try RequestJournal(storage)
    _ = try await journal.accept(request(0), choices: 1)
    var big = request(1)
    big.note = Array(repeating: 7, count: 200_000)
    for _ in 0..<20 { journal.finish(try await journal.accept(big, choices: 1)) }
    await journal.flush()
    #expect(storage.bytes.count < 2 << 20)
    let left = try RequestJournal(MemoryStorage(storage.bytes)).recovery.unfinished
    #expect(left.map(\.request.id) == [request(0).id])
  }

  @Test func manyWaitForOneSynchronization() async throws {
    let storage = MemoryStorage()
    let journal = try RequestJournal(storage)
    let serials = try await withThrowingTaskGroup(of: UInt64.self) { group in
      for number in 0..<50 {
        group.addTask { try await journal.accept(request(number), choices: 1) }
      }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(serials.count == 50)
    #expect(storage.state.withLock { $0.synchronizeCount } <= 50)
    #expect(try RequestJournal(MemoryStorage(storage.bytes)).recovery.unfinished.count == 50)
  }

  @Test func theChecksumIsCRC32C() {
    #expect(checksum(Array("123456789".utf8)[...]) == 0xE306_9283)
    #expect(checksum([]) == 0)
  }
}

/// An engine with a journal in a file.
@Suite(.timeLimit(.minutes(10))) struct DurableRequestTests {
  private let path = FileManager.default.temporaryDirectory
    .appending(path: "journal-\(UInt64.random(in: 0...(.max)))").path

  private func engine(_ model: sending HashModel = HashModel()) throws -> Engine {
    var options = EngineOptions()
    options.journal = try RequestJournal(path: path)
    return try Engine(model, tokenizer: demoTokenizer, options: options)
  }

  private func request(_ id: String) -> GenerationRequest {
    var request = GenerationRequest(
      prompt: [5, 6, 7], maxTokens: 20, sampling: SamplingParameters())
    request.id = RequestID(id)
    return request
  }

  @Test func afterACrashUnfinishedRequestsGoOn() async throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let gate = Gate()
    let crashing = try engine(HashModel { number in if number > 30 { gate.pass() } })
    let finished = try await crashing.submitDurably(request("done"))
    _ = await Told(finished[0])
    let under = try await crashing.submitDurably(request("under way"), choices: 2)
    await gate.waitForArrival()
    let file = try Data(contentsOf: URL(filePath: path))
    #expect(
      try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
    // The process dies here: what is on the disk is all that is left.
    let restarted = try engine()
    #expect(restarted.resumeUnfinished().isEmpty)
    let id = try #require(RequestID("under way"))
    var later: [Told] = []
    for choice in 0..<2 {
      later.append(await Told(try #require(restarted.attach(to: id, choice: choice))))
    }
    #expect(later.allSatisfy { $0.tokens.count == 20 })
    let done = try #require(RequestID("done"))
    let forgotten = restarted.attach(to: done) == nil
    #expect(forgotten)
    // The first process would have given the same.
    gate.open(200)
    #expect(await told(under) == later)
    #expect(file.count > 8)
    await restarted.shutdownAndWait()
    #expect(try RequestJournal(path: path).recovery.unfinished.isEmpty)
  }

  @Test func aShutdownLeavesTheRestForTheNextStart() async throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let gate = Gate()
    let engine = try engine(HashModel { _ in gate.pass() })
    let running = try await engine.submitDurably(request("running"))
    await gate.waitForArrival()
    let cancelled = try await engine.submitDurably(request("cancelled"))
    let waiting = try await engine.submitDurably(request("waiting"))
    cancelled[0].cancel()
    engine.shutdown(cancelling: true)
    gate.open(100)
    #expect(await Told(running[0]).reason == .cancelled)
    #expect(await Told(waiting[0]).error == "\(InferenceError.shuttingDown)")
    await engine.waitUntilStopped()
    let left = try RequestJournal(path: path).recovery.unfinished.map(\.request.id?.description)
    #expect(left == ["running", "waiting"])
  }

  @Test func durableRequestsNeedAnIDAndAJournal() async throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let without = try Engine(HashModel(), tokenizer: demoTokenizer)
    await #expect(
      throws: InferenceError.journalFailed("the server keeps no journal of requests")
    ) { try await without.submitDurably(request("a")) }
    let engine = try engine()
    var nameless = request("a")
    nameless.id = nil
    await #expect(throws: InferenceError.self) { try await engine.submitDurably(nameless) }
    _ = try await engine.submitDurably(request("a"))
    let id = try #require(RequestID("a"))
    await #expect(throws: InferenceError.duplicateID(id)) {
      try await engine.submitDurably(request("a"))
    }
  }
}

extension Engine {
  fileprivate func shutdownAndWait() async {
    shutdown(cancelling: false)
    await waitUntilStopped()
  }
}
