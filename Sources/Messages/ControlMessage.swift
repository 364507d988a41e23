public import Experts
public import ModelFiles
public import Placement

/// The first frame of a message on the control socket.
public struct ControlMessage: Equatable, Sendable {
  /// The worker's incarnation.
  public var incarnation: Incarnation
  /// The placement epoch as the sender knows it.
  public var epoch: Epoch
  /// What the message says.
  public var body: Body

  /// Addresses `body`.
  public init(incarnation: Incarnation, epoch: Epoch, body: Body) {
    self.incarnation = incarnation
    self.epoch = epoch
    self.body = body
  }

  /// The messages of the control socket.
  public enum Body: Equatable, Sendable {
    /// Worker: what it is and has.
    case hello(Hello)
    /// Coordinator: the worker belongs to the cluster.
    case welcome(Welcome)
    /// Either: the sender will not go on.
    case refusal(Refusal)
    /// Coordinator: the groups to hold.
    case assignment(Assignment)
    /// Worker: send bytes of an expert.
    case chunkRequest(ChunkRequest)
    /// Coordinator: the bytes, in the payload frame.
    case chunkReply(ChunkReply)
    /// Worker: what its compute thread has come to.
    case progress(Progress)
    /// Coordinator: the progress with this counter was received.
    case progressAck(counter: UInt64)
    /// Worker: the assignment is loaded.
    case ready(Ready)
    /// Coordinator: finish what you have, then leave.
    case drain(text: String)
    /// Coordinator: the cluster ends; exit, or wait for the next coordinator.
    case shutdown(exit: Bool, text: String)
  }
}

/// What a worker is and has.
public struct Hello: Equatable, Sendable {
  /// What logs call the worker.
  public var name: String
  /// Bytes of experts that it may keep resident.
  public var memoryBudget: Int
  /// Threads that compute.
  public var cores: Int
  /// Kernel variant in use.
  public var instructionSet: String
  /// Measured read bandwidth of memory, in bytes per second; 0 when unknown.
  public var memoryBandwidth: Int
  /// Numerics profile.
  public var numericsProfile: String
  /// Digest of the model file that the worker holds.
  public var modelDigest: ModelDigest?
  /// Version of the worker's program.
  public var software: String

  /// Describes a worker.
  public init(
    name: String, memoryBudget: Int, cores: Int, instructionSet: String, memoryBandwidth: Int,
    numericsProfile: String, modelDigest: ModelDigest?, software: String
  ) {
    self.name = name
    self.memoryBudget = memoryBudget
    self.cores = cores
    self.instructionSet = instructionSet
    self.memoryBandwidth = memoryBandwidth
    self.numericsProfile = numericsProfile
    self.modelDigest = modelDigest
    self.software = software
  }
}

/// The coordinator's answer to a `Hello` that it accepts.
public struct Welcome: Equatable, Sendable {
  /// Number of the worker in this cluster.
  public var worker: WorkerID
  /// TCP port of the data socket, on the host that the worker joined.
  public var dataPort: Int
  /// Digest of the model that is served.
  public var modelDigest: ModelDigest
  /// Shape of the routed experts; nil for a dense model.
  public var geometry: ExpertGeometry?
  /// Milliseconds between two reports of progress.
  public var progressMilliseconds: Int
  /// Milliseconds of silence after which either side takes the other for lost.
  public var silenceMilliseconds: Int

  /// Welcomes a worker.
  public init(
    worker: WorkerID, dataPort: Int, modelDigest: ModelDigest, geometry: ExpertGeometry?,
    progressMilliseconds: Int, silenceMilliseconds: Int
  ) {
    self.worker = worker
    self.dataPort = dataPort
    self.modelDigest = modelDigest
    self.geometry = geometry
    self.progressMilliseconds = progressMilliseconds
    self.silenceMilliseconds = silenceMilliseconds
  }
}

/// Why the sender will not go on, with a line for people.
public struct Refusal: Equatable, Sendable {
  /// The kinds of refusal; raw values are those of the wire.
  public enum Reason: UInt32, CaseIterable, Sendable {
    /// Another protocol version.
    case protocolVersion = 1
    /// Another model.
    case model
    /// Another numerics profile.
    case numerics
    /// Too little memory.
    case memory
    /// No place is free now.
    case full
    /// An incarnation that the coordinator does not know.
    case unknown
    /// A message broke the protocol.
    case malformed
    /// The assignment could not be loaded.
    case load
  }

  /// What kind of refusal.
  public var reason: Reason
  /// One line: what is wrong and what to do.
  public var text: String

  /// Refuses; `text` is cut to what the wire allows.
  public init(_ reason: Reason, _ text: String) {
    self.reason = reason
    self.text = text.wireLine
  }

  /// Whether joining again later may succeed.
  public var isTemporary: Bool { reason == .full || reason == .unknown }
}

/// The expert groups that a worker shall hold.
public struct Assignment: Equatable, Sendable {
  /// Where the bytes come from; raw values are those of the wire.
  public enum Origin: UInt32, CaseIterable, Sendable {
    /// The worker's own model file.
    case ownFile = 1
    /// The coordinator, in chunks.
    case transfer
  }

  /// Where the bytes come from.
  public var origin: Origin
  /// Ascending, without repetition.
  public var units: [PlacementUnit]

  /// Assigns `units`.
  public init(origin: Origin, units: [PlacementUnit]) {
    self.origin = origin
    self.units = units
  }
}

/// A range of the stored bytes of one expert group, which are one stream.
public struct ChunkRequest: Hashable, Sendable {
  /// The group.
  public var unit: PlacementUnit
  /// First byte.
  public var offset: Int
  /// Bytes, 1 to `WireLimits.chunkByteCount`.
  public var count: Int

  /// Asks for bytes.
  public init(unit: PlacementUnit, offset: Int, count: Int) {
    self.unit = unit
    self.offset = offset
    self.count = count
  }
}

/// Describes the payload frame that answers a `ChunkRequest`.
public struct ChunkReply: Equatable, Sendable {
  /// What was asked for.
  public var request: ChunkRequest
  /// SHA-256 of the payload.
  public var sha256: ModelDigest

  /// Answers `request`.
  public init(request: ChunkRequest, sha256: ModelDigest) {
    self.request = request
    self.sha256 = sha256
  }
}

/// What a worker's compute thread has come to.
public struct Progress: Equatable, Sendable {
  /// What a worker is doing; raw values are those of the wire.
  public enum State: UInt32, CaseIterable, Sendable {
    /// Welcomed, without assignment.
    case waiting = 1
    /// Loading experts.
    case loading
    /// Answering dispatches.
    case serving
    /// Finishing what it has.
    case draining
  }

  /// What the worker is doing.
  public var state: State
  /// Units of work that the compute thread finished.
  public var counter: UInt64
  /// Nanoseconds since the compute thread took up its present work; 0 when idle.
  public var busyNanoseconds: UInt64
  /// Expert groups loaded.
  public var loadedGroups: Int
  /// Expert groups assigned.
  public var assignedGroups: Int
  /// Bytes of experts resident.
  public var residentBytes: Int

  /// Reports progress.
  public init(
    state: State, counter: UInt64, busyNanoseconds: UInt64, loadedGroups: Int,
    assignedGroups: Int, residentBytes: Int
  ) {
    self.state = state
    self.counter = counter
    self.busyNanoseconds = busyNanoseconds
    self.loadedGroups = loadedGroups
    self.assignedGroups = assignedGroups
    self.residentBytes = residentBytes
  }
}

/// A worker's assignment is loaded and its data socket connected.
public struct Ready: Equatable, Sendable {
  /// Bytes of experts resident.
  public var residentBytes: Int
  /// Expert groups loaded.
  public var loadedGroups: Int

  /// Reports readiness.
  public init(residentBytes: Int, loadedGroups: Int) {
    self.residentBytes = residentBytes
    self.loadedGroups = loadedGroups
  }
}

extension String {
  /// The text as one line that fits the wire: no control characters, at most 512 bytes, not empty.
  package var wireLine: String {
    var line = ""
    for scalar in unicodeScalars {
      let safe = scalar.properties.generalCategory == .control ? " " : scalar
      if line.utf8.count + String(safe).utf8.count > WireLimits.textByteCount { break }
      line.unicodeScalars.append(safe)
    }
    return line.isEmpty ? "(no text)" : line
  }
}
