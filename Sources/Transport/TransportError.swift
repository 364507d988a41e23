import CZeroMQ
import Foundation

/// A socket that does not do what it should.
public struct TransportError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What failed.
  public enum Kind: Equatable, Sendable {
    /// The library could not be started.
    case start
    /// An endpoint could not be bound.
    case bind
    /// An endpoint could not be connected to.
    case connect
    /// A peer of a router is not connected (any more).
    case peerGone
    /// A peer's queue is full.
    case peerBusy
    /// Sending failed otherwise.
    case send
    /// Receiving failed.
    case receive
    /// A message has more frames than a peer of ours sends.
    case tooManyFrames
  }

  /// What failed.
  public let kind: Kind
  /// The endpoint, or what stands for it.
  public let endpoint: String
  /// The library's error number; 0 when it was not the library.
  public let code: Int32

  init(_ kind: Kind, _ endpoint: String, code: Int32 = zmq_errno()) {
    self.kind = kind
    self.endpoint = endpoint
    self.code = code
  }

  /// What failed, where, and what to do, in one line.
  public var description: String {
    let reason = unsafe code == 0 ? "" : ": \(String(cString: zmq_strerror(code)))"
    return "\(endpoint): \(problem)\(reason); \(remedy)"
  }

  private var problem: String {
    switch kind {
    case .start: "cannot start ZeroMQ"
    case .bind: "cannot listen"
    case .connect: "cannot connect"
    case .peerGone: "the peer is gone"
    case .peerBusy: "the peer takes no more messages"
    case .send: "cannot send"
    case .receive: "cannot receive"
    case .tooManyFrames: "a message has too many frames"
    }
  }

  private var remedy: String {
    switch (kind, code) {
    case (.start, _): "raise the limit of open files"
    case (.bind, EADDRINUSE): "another program has the port; choose another or stop it"
    case (.bind, EACCES): "choose a port above 1023"
    case (.bind, _): "give an address of this machine, as in tcp://127.0.0.1:7171"
    case (.connect, _): "give an address as in tcp://192.168.1.10:7171"
    case (.peerGone, _): "look at that process's log"
    case (.peerBusy, _): "the process may hang; look at its log"
    case (.send, _), (.receive, _): "the process is ending, or out of memory"
    case (.tooManyFrames, _): "the peer is not a conclave process of this release"
    }
  }
}
