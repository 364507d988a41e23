import Dispatch
import Foundation
import Synchronization

/// The requests that must survive a crash of this process, in a file that grows at its end.
///
/// A request is accepted when its record is on the disk (`fsync`, one for all that wait), which a
/// thread of the journal sees to. A record says when it is over. What is over is dropped from time to
/// time, so that the file stays in proportion to what is under way. When the disk is full, new
/// requests are refused and everything else goes on. Prompts are in the file: it is readable by its
/// owner only.
public final class RequestJournal: Sendable {
  /// What a journal held when it was opened.
  public struct Recovery: Sendable {
    /// Requests that were accepted and are not over, oldest first.
    public let unfinished: [JournaledRequest]
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
    var live: [UInt64: [UInt8]] = [:]
    var failure: String?

    var liveByteCount: Int { live.values.reduce(0) { $0 + $1.count } }
  }

  /// What was found.
  public let recovery: Recovery
  private let storage: any JournalStorage
  private let queue = DispatchQueue(label: "journal")
  private let state: Mutex<State>
  private let contents: Mutex<Contents>

  /// The file is rewritten when it is larger than this, and than four times what is under way.
  private static let compactionByteCount = 1 << 20

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
      let unfinished = Self.unfinished(records)
      let damaged = isCutHeader ? 0 : bytes.count - goodCount
      if damaged > 0 { try storage.setAside(Array(bytes[goodCount...])) }
      recovery = Recovery(unfinished: unfinished, damagedByteCount: damaged)
      var live: [UInt64: [UInt8]] = [:]
      for request in unfinished { live[request.serial] = JournalRecord.accepted(request).bytes }
      let start = Self.file(live)
      try storage.replace(with: start)
      contents = Mutex(Contents(byteCount: start.count, live: live))
      state = Mutex(State(lastSerial: unfinished.map(\.serial).max() ?? 0))
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
      switch entry.record {
      case .accepted(let request):
        if contents.failure == nil { contents.live[request.serial] = entry.bytes }
      case .finished(let serial): contents.live[serial] = nil
      }
    }
    compact(&contents)
  }

  /// Drops what is over, when that is most of a large file.
  private func compact(_ contents: inout Contents) {
    let isLarge = contents.byteCount > Self.compactionByteCount
    guard isLarge || contents.failure != nil, contents.byteCount > 4 * contents.liveByteCount,
      contents.byteCount > JournalRecord.header.count
    else { return }
    do {
      if contents.live.isEmpty {
        // Needs no room on the disk, so it also works when that is full.
        try storage.truncate(to: JournalRecord.header.count)
        contents.byteCount = JournalRecord.header.count
      } else {
        let bytes = Self.file(contents.live)
        try storage.replace(with: bytes)
        contents.byteCount = bytes.count
      }
    } catch {
      // The file is as it was; the next write tries again.
    }
  }

  private static func file(_ live: [UInt64: [UInt8]]) -> [UInt8] {
    live.sorted { $0.key < $1.key }.reduce(into: JournalRecord.header) { $0 += $1.value }
  }

  private static func unfinished(_ records: [JournalRecord]) -> [JournaledRequest] {
    var requests: [UInt64: JournaledRequest] = [:]
    for record in records {
      switch record {
      case .accepted(let request): requests[request.serial] = request
      case .finished(let serial): requests[serial] = nil
      }
    }
    return requests.values.sorted { $0.serial < $1.serial }
  }
}
