package import Messages

/// Where a test may break a worker.
///
/// Nothing in `Sources` ever makes one, which `TidyTests` checks: what is released has the places, and
/// no faults. `Tests/Storm` breaks real processes with it.
package protocol WorkerFaults: Sendable {
  /// The worker has come to that place; may wait, end the process, or throw what fails there.
  func reach(_ place: WorkerPlace) throws
  /// What is sent in place of a reply: nothing, the same later, another one, or several.
  func replies(for reply: WorkerReply) -> [WorkerReply]
}

/// Places where a worker may be broken.
package enum WorkerPlace: String, Sendable, CaseIterable {
  /// The compute thread: a dispatch was taken from the socket.
  case received
  /// The compute thread: the dispatch is in order and about to be computed.
  case computing
  /// The compute thread: the reply is about to be sent.
  case computed
  /// The compute thread: the reply was handed to the socket.
  case replied
  /// The control thread: about to look for messages.
  case control
  /// A loading thread: about to read an expert group.
  case loading
}

/// A reply as it is about to be sent.
package struct WorkerReply: Sendable {
  /// Its first frame, before it is encoded; the checksum in it is that of `payload` at first.
  package var header: DataHeader
  /// Its last frame.
  package var payload: [UInt8]

  init(header: DataHeader, payload: [UInt8]) {
    self.header = header
    self.payload = payload
  }
}
