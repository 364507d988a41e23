import Experts
import Kernels
import Messages
import ModelFiles
import Synchronization

/// Parsers of what comes over the network.
enum WireTargets {
  private static let codec = Mutex(MessageCodec())

  private static let shape = try? ExpertShape(
    hiddenSize: 64, expertIntermediateSize: 32, expertCount: 16, expertsPerToken: 4,
    moeLayers: 1..<4, modelGroupCount: 4)

  /// What can be read can be written and read again, to the same.
  static func control(_ bytes: [UInt8]) {
    codec.withLock { codec in
      guard let message = try? codec.decodeControl(bytes.rawSpan) else { return }
      var again: [UInt8] = []
      guard (try? codec.encode(message, into: &again)) != nil else { return }
      let second = try? codec.decodeControl(again.rawSpan)
      mustHold(second.map { "\($0)" } == "\(message)", "a control message changed on the way")
    }
  }

  /// The bytes hold a header, an index and a payload: after two counts of 16 bits, one after another.
  static func data(_ bytes: [UInt8]) {
    guard bytes.count >= 4 else { return }
    let headerCount = min(Int(bytes[0]) | Int(bytes[1]) << 8, bytes.count - 4)
    let indexCount = min(Int(bytes[2]) | Int(bytes[3]) << 8, bytes.count - 4 - headerCount)
    let header = Array(bytes[4..<4 + headerCount])
    let index = Array(bytes[(4 + headerCount)..<(4 + headerCount + indexCount)])
    let payload = Array(bytes[(4 + headerCount + indexCount)...])
    _ = PayloadChecksum.of(index: index.rawSpan, payload: payload.rawSpan)
    codec.withLock { codec in
      guard let message = try? codec.decodeData(header.rawSpan) else { return }
      switch message.body {
      case .dispatch(let dispatch): read(dispatch, index)
      case .reply(let reply): read(reply, payload)
      default: break
      }
    }
  }

  private static func read(_ dispatch: DispatchHeader, _ index: [UInt8]) {
    for hasShared in [false, true] { read(dispatch, index, hasShared: hasShared) }
  }

  private static func read(_ dispatch: DispatchHeader, _ index: [UInt8], hasShared: Bool) {
    guard let shape else { return }
    var entries: [RoutedEntry] = []
    guard
      (try? DispatchIndex.read(
        index.rawSpan, header: dispatch, shape: shape, hasShared: hasShared, into: &entries))
        != nil
    else { return }
    let expertCount = Int32(shape.expertCount + (hasShared ? 1 : 0))
    mustHold(entries.count == dispatch.entryCount, "the index has other entries than announced")
    for entry in entries {
      mustHold(
        (0..<Int32(dispatch.rowCount)).contains(entry.row)
          && (0..<expertCount).contains(entry.expert) && entry.weight.isFinite,
        "an entry beyond its limits was accepted")
    }
  }

  private static func read(_ reply: ReplyHeader, _ payload: [UInt8]) {
    let width = 64
    let format: ReplyFormat = reply.rowFormat == .float32 ? .float32 : .int16Blocks
    let rows = payload.count / format.byteCount(columns: width)
    let used = Array(payload.prefix(rows * format.byteCount(columns: width)))
    _ = PartialRows.areFinite(used.rawSpan, format: format, width: width, rows: rows)
  }
}

extension [UInt8] {
  /// The bytes without their type.
  var rawSpan: RawSpan {
    @_lifetime(borrow self)
    borrowing get { unsafe span.bytes }
  }
}
