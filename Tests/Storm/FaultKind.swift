import Foundation

/// What a storm does to one worker or its link.
enum FaultKind: String, CaseIterable, Sendable {
  // The worker sends something else than the reply.
  case dropReply = "reply dropped"
  case delayReply = "reply late by 0.05-1 s"
  case duplicateReply = "reply sent twice"
  case wrongEpoch = "reply of another epoch"
  case wrongAttempt = "reply to another attempt"
  case wrongIncarnation = "reply of another incarnation"
  case wrongModel = "reply of another model"
  case flipPayload = "bit flipped in a payload"
  case flipChecksum = "bit flipped in a checksum"
  case truncateReply = "reply cut short"
  case notFinite = "reply with NaN or infinity"
  case wrongShape = "reply of another shape"
  // The process ends or stands still at a place.
  case crashReceived = "crash: dispatch received"
  case crashComputing = "crash: computing"
  case crashComputed = "crash: before the reply"
  case crashReplied = "crash: after the reply"
  case hangCompute = "compute thread hangs"
  case hangControl = "control thread hangs 0.1-3 s"
  // Loading.
  case slowLoad = "slow disk at load"
  case diskError = "disk error at load"
  case noMemory = "no memory at load"
  // Signals.
  case kill = "kill -9"
  case stopBriefly = "SIGSTOP 0.02-0.5 s"
  case stopLong = "SIGSTOP 1-7 s"
  case terminate = "SIGTERM"
  case throttle = "a tenth of the processor 1-4 s"
  // The link.
  case cut = "link cut"
  case down = "link down 0.1-1 s"
  case stall = "link stalled 0.05-1 s"
  case delay = "link 5-50 ms late"
  case rate = "link of 1 Mbit/s"
  case dropForward = "replies vanish 0.2-2 s"
  case dropBackward = "calls vanish 0.2-2 s"
  case flipForward = "bits flip on the way out"
  case flipBackward = "bits flip on the way in"
  case garbage = "garbage on both ports"

  /// What the worker's process is told to do, for faults that it does to itself; nil for others.
  var order: String? {
    switch self {
    case .dropReply, .delayReply, .duplicateReply, .wrongEpoch, .wrongAttempt, .wrongIncarnation,
      .wrongModel, .flipPayload, .flipChecksum, .truncateReply, .notFinite, .wrongShape,
      .crashReceived, .crashComputing, .crashComputed, .crashReplied, .hangCompute, .hangControl:
      "\(self)"
    default: nil
    }
  }

  /// Whether the worker has to be started again.
  var endsProcess: Bool {
    switch self {
    case .crashReceived, .crashComputing, .crashComputed, .crashReplied, .hangCompute, .slowLoad,
      .diskError, .noMemory, .kill, .terminate:
      true
    default: false
    }
  }

  /// Whether the coordinator bars the worker for a while.
  var isGarbage: Bool {
    switch self {
    case .wrongModel, .flipPayload, .flipChecksum, .truncateReply, .notFinite, .wrongShape,
      .flipForward, .flipBackward:
      true
    default: false
    }
  }
}
