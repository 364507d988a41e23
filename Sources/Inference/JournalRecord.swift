import Foundation
import Tokenization

/// One entry of a request journal, and its bytes.
///
/// A record is framed as: length of the payload and its CRC32C, 4 bytes each, little-endian, then the
/// payload: its kind in one byte, then its fields.
enum JournalRecord: Sendable {
  /// A request has been accepted.
  case accepted(JournaledRequest)
  /// The request of that number is over.
  case finished(serial: UInt64)

  /// The number of the request that it is about.
  var serial: UInt64 {
    switch self {
    case .accepted(let request): request.serial
    case .finished(let serial): serial
    }
  }

  /// What a journal begins with: its format.
  static let header = Array("CNCLVJ01".utf8)
  /// Longer payloads are damage.
  static let maximumByteCount = 64 << 20
  static let frameByteCount = 8

  /// The record with its frame.
  var bytes: [UInt8] {
    var payload = JournalWriter()
    switch self {
    case .accepted(let request):
      payload.write(byte: 1)
      payload.write(request.serial)
      payload.write(request.choices)
      payload.write(request.request)
    case .finished(let serial):
      payload.write(byte: 2)
      payload.write(serial)
    }
    var frame = JournalWriter()
    frame.write(UInt32(payload.bytes.count))
    frame.write(checksum(payload.bytes[...]))
    return frame.bytes + payload.bytes
  }

  /// Reads a payload; nil when it is none.
  init?(payload: ArraySlice<UInt8>) {
    var reader = JournalReader(payload)
    switch reader.byte() {
    case 1:
      guard let serial = reader.word(), let choices = reader.integer(), choices >= 1,
        let request = reader.request()
      else { return nil }
      self = .accepted(JournaledRequest(serial: serial, request: request, choices: choices))
    case 2:
      guard let serial = reader.word() else { return nil }
      self = .finished(serial: serial)
    default: return nil
    }
    guard reader.isAtEnd else { return nil }
  }

  /// The records of a journal, and how many bytes they and the header take.
  ///
  /// Reading stops at the first record that is cut or damaged: nothing behind it can be trusted.
  static func read(_ bytes: [UInt8]) -> (records: [JournalRecord], byteCount: Int) {
    guard bytes.starts(with: header) else { return ([], 0) }
    var records: [JournalRecord] = []
    var position = header.count
    while let frame = JournalReader.frame(bytes[position...]) {
      let start = position + frameByteCount
      guard frame.byteCount <= bytes.count - start else { break }
      let payload = bytes[start..<start + frame.byteCount]
      guard checksum(payload) == frame.checksum, let record = JournalRecord(payload: payload)
      else { break }
      records.append(record)
      position = start + frame.byteCount
    }
    return (records, position)
  }
}

/// A request as the journal keeps it.
public struct JournaledRequest: Sendable {
  /// Its number in the journal.
  package let serial: UInt64
  /// The request, its seed chosen, without its constraint: what the constraint can be made from is
  /// for `note`.
  public var request: GenerationRequest
  /// How many answers were asked for.
  public let choices: Int
}

/// CRC32C (Castagnoli), as iSCSI and ext4 use it.
package func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
  var crc = UInt32.max
  for byte in bytes { crc = crc >> 8 ^ checksumTable[Int((crc ^ UInt32(byte)) & 0xFF)] }
  return ~crc
}

private let checksumTable: [UInt32] = (0..<256).map { index in
  (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
}
