internal import Crypto
internal import Foundation

/// Pages of keys and values that had to leave memory, in a file of fixed size.
///
/// The file has no name, so nobody else can open it and nothing stays behind, however the process
/// ends. What is read is compared with its hash. When the disk fails, the store forgets everything
/// and says so: prompts are run whole again, and no answer changes. Used by the engine's thread.
final class PrefixStore {
  private struct Slot {
    var key: PrefixKey
    var digest: SHA256.Digest
    var lastUse: UInt64
  }

  private let file: FileHandle
  private let pageByteCount: Int
  private let capacity: Int
  private let onFailure: @Sendable (String) -> Void
  private var slots: [Slot] = []
  private var places: [PrefixKey: Int] = [:]
  private var useCount: UInt64 = 0
  private var hasFailed = false
  /// Pages that were read back.
  private(set) var loadedCount = 0

  /// Makes the file in `folder`.
  ///
  /// - Parameters:
  ///   - folder: On a disk with `byteCount` bytes to spare.
  ///   - byteCount: The most that the file takes.
  ///   - pageByteCount: What a page takes.
  ///   - onFailure: Told once, from the engine's thread, when the disk fails.
  /// - Throws: `InferenceError.storeFailed`.
  init(
    folder: String, byteCount: Int, pageByteCount: Int,
    onFailure: @escaping @Sendable (String) -> Void
  ) throws(InferenceError) {
    guard pageByteCount > 0, byteCount >= pageByteCount else {
      throw .storeFailed(
        "\(folder): \(byteCount) bytes hold no page of \(pageByteCount); allow more")
    }
    var template = Array((folder + "/conclave-prefixes-XXXXXX").utf8CString)
    let descriptor = unsafe template.withUnsafeMutableBufferPointer { text -> Int32 in
      guard let name = text.baseAddress else { return -1 }
      let descriptor = unsafe mkstemp(name)  // readable by its owner only
      if descriptor >= 0 { unsafe unlink(name) }
      return descriptor
    }
    guard descriptor >= 0 else {
      throw .storeFailed(
        "\(folder): \(unsafe String(cString: strerror(errno))); give a folder that can be written")
    }
    file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    self.pageByteCount = pageByteCount
    self.onFailure = onFailure
    capacity = byteCount / pageByteCount
  }

  /// Pages in the file.
  var pageCount: Int { places.count }

  /// Whether a page is in the file.
  func holds(_ key: PrefixKey) -> Bool { places[key] != nil }

  /// Writes a page, in place of the one that has been unused for longest if need be.
  func keep(_ key: PrefixKey, _ page: RawSpan) {
    guard !hasFailed else { return }
    useCount += 1
    if let place = places[key] {  // a page that was read back has not changed since
      slots[place].lastUse = useCount
      return
    }
    let bytes = unsafe page.withUnsafeBytes { unsafe Data($0) }
    let place = slots.count < capacity ? slots.count : oldest
    let slot = Slot(key: key, digest: SHA256.hash(data: bytes), lastUse: useCount)
    do {
      try file.seek(toOffset: UInt64(place) * UInt64(pageByteCount))
      try file.write(contentsOf: bytes)
    } catch { return fail("written", error) }
    if place < slots.count {
      places[slots[place].key] = nil
      slots[place] = slot
    } else {
      slots.append(slot)
    }
    places[key] = place
  }

  /// Reads a page; false when it is not there, or not what was written.
  func load(_ key: PrefixKey, into page: inout MutableRawSpan) -> Bool {
    guard let place = places[key] else { return false }
    do {
      try file.seek(toOffset: UInt64(place) * UInt64(pageByteCount))
      let bytes = try file.read(upToCount: pageByteCount) ?? Data()
      guard bytes.count == page.byteCount, SHA256.hash(data: bytes) == slots[place].digest else {
        fail("read", nil)
        return false
      }
      unsafe page.withUnsafeMutableBytes { unsafe _ = bytes.copyBytes(to: $0) }
    } catch {
      fail("read", error)
      return false
    }
    useCount += 1
    slots[place].lastUse = useCount
    loadedCount += 1
    return true
  }

  private var oldest: Int {
    slots.indices.min { slots[$0].lastUse < slots[$1].lastUse } ?? 0
  }

  private func fail(_ what: String, _ error: (any Error)?) {
    hasFailed = true
    slots = []
    places = [:]
    try? file.truncate(atOffset: 0)
    let reason = error.map { "\($0.localizedDescription)" } ?? "other bytes than were written"
    onFailure("Prefixes can no longer be \(what) on disk and stay in memory only: \(reason)")
  }
}
