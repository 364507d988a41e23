import Dispatch
import Foundation
import Synchronization

/// The requests that must survive a crash of this process, in a file that grows at its end.
///
/// A request is accepted when its record is on the disk (`fsync`, one for all that wait), which a
/// thread of the journal sees to. A record says when it is over. What is over is dropped from time to
/// time, so that the file stays in proportion to what is under way. When the disk is full, new
/// requests are refused and everything else goes on. The last requests that are over stay a while, so
/// that somebody whose stream broke off with the server can have it again. Prompts are in the file: it
/// is readable by its owner only.
public final class RequestJournal: Sendable {
  /// What a journal held when it was opened.
  public struct Recovery: Sendable {
    /// Requests that were accepted and are not over, oldest first.
    public let unfinished: [JournaledRequest]
    /// The last requests that are over, oldest first.
    public let finished: [GenerationRequest]
    /// Bytes at the end that were cut or damaged; they have been put aside in a file whose name
    /// ends in `.damaged`.
    public let damagedByteCount: Int
  }

  private struct Pending {
    let record: JournalRecord
    let bytes: [UInt8]
    let continuation: CheckedContinuation<Result<Void, InferenceError>, Never>?
  }

  private struct State {
    var pending: [Pending] = []
    var isFlushScheduled = false
    var lastSerial: UInt64 = 0
  }

  /// What only the journal's thread touches.
  private struct Contents {
    var byteCount: Int
    /// Accepted and not over, by serial: the bytes of their records.
    var live: [UInt64: [UInt8]] = [:]
    /// Over, the last ones, oldest first: the bytes of both of their records.
    var over: [[UInt8]] = []
    var overByteCount = 0
    var failure: String?

    mutating func take(_ record: JournalRecord, _ bytes: [UInt8]) {
      switch record {
      case .accepted(let request): live[request.serial] = bytes
      case .finished(let serial): finish(serial, bytes)
      }
    }

    var keptByteCount: Int { live.values.reduce(overByteCount) { $0 + $1.count } }

    private mutating func finish(_ serial: UInt64, _ record: [UInt8]) {
      guard let accepted = live.removeValue(forKey: serial) else { return }
      over.append(accepted + record)
      overByteCount += accepted.count + record.count
      while overByteCount > RequestJournal.overByteLimit, !over.isEmpty {
        overByteCount -= over.removeFirst().count
      }
    }

    mutating func forgetFinished() {
      over = []
      overByteCount = 0
    }

    /// The smallest file that says the same.
    var file: [UInt8] {
      let unfinished = live.sorted { $0.key < $1.key }.map(\.value)
      return (over + unfinished).reduce(into: JournalRecord.header) { $0 += $1 }
    }
  }

  /// What was found.
  public let recovery: Recovery
  private let storage: any JournalStorage
  private let queue = DispatchQueue(label: "journal")
  private let state: Mutex<State>
  private let contents: Mutex<Contents>

  /// The file is rewritten when it is larger than this, and than four times what is kept.
  private static let compactionByteCount = 1 << 20
  /// Bytes of records that are kept of requests that are over.
  private static let overByteLimit = 256 << 10

  /// Opens the journal at `path`, or starts it.
  ///
  /// - Throws: `InferenceError.journalFailed` when the file cannot be read or written, or is none.
  public convenience init(path: String) throws(InferenceError) {
    try self.init(JournalFile(path: path), path: path)
  }

  package init(_ storage: any JournalStorage, path: String = "journal") throws(InferenceError) {
    self.storage = storage
    do {
      let bytes = try storage.read()
      let isCutHeader = JournalRecord.header.starts(with: bytes)
      guard isCutHeader || bytes.starts(with: JournalRecord.header) else {
        throw InferenceError.journalFailed(
          "\(path) is not a request journal; give another file or move it away")
      }
      let (records, goodCount) = JournalRecord.read(bytes)
      let damaged = isCutHeader ? 0 : bytes.count - goodCount
      if damaged > 0 { try storage.setAside(Array(bytes[goodCount...])) }
      recovery = Self.recovery(records, damagedByteCount: damaged)
      var kept = Contents(byteCount: 0)
      for record in records { kept.take(record, record.bytes) }
      let start = kept.file
      kept.byteCount = start.count
      try storage.replace(with: start)
      contents = Mutex(kept)
      state = Mutex(State(lastSerial: records.map(\.serial).max() ?? 0))
    } catch let error as InferenceError {
      throw error
    } catch {
      throw .journalFailed("cannot open the request journal \(path): \(error)")
    }
  }

  /// Returns when the request is on the disk.
  ///
  /// - Returns: The number by which it can be finished.
  /// - Throws: `InferenceError.journalFailed`; then the request has not been accepted.
  package func accept(_ request: GenerationRequest, choices: Int) async throws(InferenceError)
    -> UInt64
  {
    let serial = state.withLock { state in
      state.lastSerial += 1
      return state.lastSerial
    }
    let record = JournalRecord.accepted(
      JournaledRequest(serial: serial, request: request, choices: choices))
    let bytes = record.bytes
    guard bytes.count <= JournalRecord.maximumByteCount else {
      throw .journalFailed("the request is too large for the request journal; shorten it")
    }
    let result = await withCheckedContinuation { continuation in
      enqueue(Pending(record: record, bytes: bytes, continuation: continuation))
    }
    try result.get()
    return serial
  }

  /// Notes that a request is over; it is lost with a crash that comes before it is on the disk, and
  /// then the request runs once more.
  package func finish(_ serial: UInt64) {
    let record = JournalRecord.finished(serial: serial)
    enqueue(Pending(record: record, bytes: record.bytes, continuation: nil))
  }

  /// Returns when everything so far has been tried.
  public func flush() async {
    await withCheckedContinuation { continuation in
      queue.async { continuation.resume() }
    }
  }

  private func enqueue(_ pending: Pending) {
    let isFirst = state.withLock { state in
      state.pending.append(pending)
      defer { state.isFlushScheduled = true }
      return !state.isFlushScheduled
    }
    if isFirst { queue.async { self.writePending() } }
  }

  /// One write and one `fsync` for all that wait.
  private func writePending() {
    let pending = state.withLock { state in
      defer { state.pending = [] }
      state.isFlushScheduled = false
      return state.pending
    }
    let failure = contents.withLock { contents in
      write(pending, to: &contents)
      return contents.failure
    }
    let result: Result<Void, InferenceError> =
      failure.map { .failure(.journalFailed($0)) } ?? .success(())
    for entry in pending { entry.continuation?.resume(returning: result) }
  }

  private func write(_ pending: [Pending], to contents: inout Contents) {
    do {
      // After a failure the end of the file is unknown until it could be cut.
      if contents.failure != nil { try storage.truncate(to: contents.byteCount) }
      let bytes = pending.flatMap(\.bytes)
      try storage.append(bytes)
      try storage.synchronize()
      contents.byteCount += bytes.count
      contents.failure = nil
    } catch {
      contents.failure =
        "the request journal cannot be written, so no request can be made to survive a crash:"
        + " \(error)"
      try? storage.truncate(to: contents.byteCount)
    }
    for entry in pending {
      // What could not be written was not accepted, but what is over is over.
      if case .accepted = entry.record, contents.failure != nil { continue }
      contents.take(entry.record, entry.bytes)
    }
    compact(&contents)
  }

  /// Drops what is over, when that is most of a large file.
  private func compact(_ contents: inout Contents) {
    if contents.failure != nil { contents.forgetFinished() }  // the disk may be full
    let isLarge = contents.byteCount > Self.compactionByteCount
    guard isLarge || contents.failure != nil, contents.byteCount > 4 * contents.keptByteCount,
      contents.byteCount > JournalRecord.header.count
    else { return }
    do {
      if contents.keptByteCount == 0 {
        // Needs no room on the disk, so it also works when that is full.
        try storage.truncate(to: JournalRecord.header.count)
        contents.byteCount = JournalRecord.header.count
      } else {
        let bytes = contents.file
        try storage.replace(with: bytes)
        contents.byteCount = bytes.count
      }
    } catch {
      // The file is as it was; the next write tries again.
    }
  }

  private static func recovery(_ records: [JournalRecord], damagedByteCount: Int) -> Recovery {
    var unfinished: [UInt64: JournaledRequest] = [:]
    var finished: [GenerationRequest] = []
    for record in records {
      switch record {
      case .accepted(let request): unfinished[request.serial] = request
      case .finished(let serial):
        if let request = unfinished.removeValue(forKey: serial) { finished.append(request.request) }
      }
    }
    return Recovery(
      unfinished: unfinished.values.sorted { $0.serial < $1.serial }, finished: finished,
      damagedByteCount: damagedByteCount)
  }
}
