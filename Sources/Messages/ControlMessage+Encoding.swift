import CMessages
import CProtobufC
import Experts
import ModelFiles
import Placement
import Tensors

extension MessageCodec {
  /// Writes `message` into `bytes`, replacing what they were.
  ///
  /// - Throws: `WireError` when a value exceeds what the wire allows.
  public func encode(_ message: ControlMessage, into bytes: inout [UInt8]) throws(WireError) {
    arena.reset()
    let wire = unsafe try arena.allocate(Conclave__ControlMessage.self)
    unsafe conclave__control_message__init(wire)
    unsafe wire.pointee.protocol = WireLimits.protocolVersion
    unsafe wire.pointee.incarnation = message.incarnation.rawValue
    unsafe wire.pointee.epoch = message.epoch.rawValue
    unsafe try setBody(wire, message.body)
    unsafe try pack(
      wire, limit: WireLimits.controlByteCount, into: &bytes, FieldChecks(message: "ControlMessage")
    )
  }

  private func setBody(
    _ wire: UnsafeMutablePointer<Conclave__ControlMessage>, _ body: ControlMessage.Body
  ) throws(WireError) {
    switch body {
    case .hello(let hello):
      unsafe wire.pointee.body_case = CONCLAVE__CONTROL_MESSAGE__BODY_HELLO
      unsafe wire.pointee.hello = try encode(hello)
    case .welcome(let welcome):
      unsafe wire.pointee.body_case = CONCLAVE__CONTROL_MESSAGE__BODY_WELCOME
      unsafe wire.pointee.welcome = try encode(welcome)
    case .refusal(let refusal):
      unsafe wire.pointee.body_case = CONCLAVE__CONTROL_MESSAGE__BODY_REFUSAL
      unsafe wire.pointee.refusal = try encode(refusal)
    case .assignment(let assignment):
      unsafe wire.pointee.body_case = CONCLAVE__CONTROL_MESSAGE__BODY_ASSIGNMENT
      unsafe wire.pointee.assignment = try encode(assignment)
    case .chunkRequest(let request):
      unsafe wire.pointee.body_case = CONCLAVE__CONTROL_MESSAGE__BODY_CHUNK_REQUEST
      unsafe wire.pointee.chunk_request = try encode(request)
    case .chunkReply(let reply):
      unsafe wire.pointee.body_case = CONCLAVE__CONTROL_MESSAGE__BODY_CHUNK_REPLY
      unsafe wire.pointee.chunk_reply = try encode(reply)
    case .progress(let progress):
      unsafe wire.pointee.body_case = CONCLAVE__CONTROL_MESSAGE__BODY_PROGRESS
      unsafe wire.pointee.progress = try encode(progress)
    case .progressAck(let counter):
      let ack = unsafe try arena.allocate(Conclave__ProgressAck.self)
      unsafe conclave__progress_ack__init(ack)
      unsafe ack.pointee.counter = counter
      unsafe wire.pointee.body_case = CONCLAVE__CONTROL_MESSAGE__BODY_PROGRESS_ACK
      unsafe wire.pointee.progress_ack = ack
    case .ready(let ready):
      unsafe wire.pointee.body_case = CONCLAVE__CONTROL_MESSAGE__BODY_READY
      unsafe wire.pointee.ready = try encode(ready)
    case .drain(let text):
      let drain = unsafe try arena.allocate(Conclave__Drain.self)
      unsafe conclave__drain__init(drain)
      unsafe drain.pointee.text = try line(text, "Drain")
      unsafe wire.pointee.body_case = CONCLAVE__CONTROL_MESSAGE__BODY_DRAIN
      unsafe wire.pointee.drain = drain
    case .shutdown(let exit, let text):
      let shutdown = unsafe try arena.allocate(Conclave__Shutdown.self)
      unsafe conclave__shutdown__init(shutdown)
      unsafe shutdown.pointee.exit = exit ? 1 : 0
      unsafe shutdown.pointee.text = try line(text, "Shutdown")
      unsafe wire.pointee.body_case = CONCLAVE__CONTROL_MESSAGE__BODY_SHUTDOWN
      unsafe wire.pointee.shutdown = shutdown
    }
  }

  private func line(_ text: String, _ message: String) throws(WireError) -> ProtobufCBinaryData {
    unsafe try arena.text(
      text, limit: WireLimits.textByteCount, FieldChecks(message: message), "text")
  }

  private func encode(
    _ hello: Hello
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__Hello> {
    let checks = FieldChecks(message: "Hello")
    let wire = unsafe try arena.allocate(Conclave__Hello.self)
    unsafe conclave__hello__init(wire)
    unsafe wire.pointee.name = try arena.text(hello.name, limit: 128, checks, "name")
    unsafe wire.pointee.memory_budget = try checks.field(
      hello.memoryBudget, "memory_budget", in: 1...Int(WireLimits.memoryByteCount))
    unsafe wire.pointee.cores = try checks.field(hello.cores, "cores", in: 1...4_096)
    unsafe wire.pointee.instruction_set = try arena.text(
      hello.instructionSet, limit: 32, checks, "instruction_set")
    unsafe wire.pointee.memory_bandwidth = try checks.field(
      hello.memoryBandwidth, "memory_bandwidth", in: 0...Int(WireLimits.memoryByteCount))
    unsafe wire.pointee.numerics_profile = try arena.text(
      hello.numericsProfile, limit: 64, checks, "numerics_profile")
    if let digest = hello.modelDigest {
      unsafe wire.pointee.has_model_digest = 1
      unsafe wire.pointee.model_digest = try arena.bytes(digest.bytes)
    }
    unsafe wire.pointee.software = try arena.text(hello.software, limit: 64, checks, "software")
    return unsafe wire
  }

  private func encode(
    _ welcome: Welcome
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__Welcome> {
    let checks = FieldChecks(message: "Welcome")
    let wire = unsafe try arena.allocate(Conclave__Welcome.self)
    unsafe conclave__welcome__init(wire)
    unsafe wire.pointee.worker = welcome.worker.rawValue
    unsafe wire.pointee.data_port = try checks.field(
      welcome.dataPort, "data_port", in: 1...65_535)
    unsafe wire.pointee.model_digest = try arena.bytes(welcome.modelDigest.bytes)
    if let geometry = welcome.geometry { unsafe wire.pointee.geometry = try encode(geometry) }
    unsafe wire.pointee.progress_interval = try checks.field(
      welcome.progressMilliseconds, "progress_interval", in: 10...60_000)
    unsafe wire.pointee.silence_limit = try checks.field(
      welcome.silenceMilliseconds, "silence_limit", in: 100...600_000)
    return unsafe wire
  }

  private func encode(
    _ geometry: ExpertGeometry
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__Geometry> {
    try geometry.check()
    let formats = geometry.layerFormats
    let wire = unsafe try arena.allocate(Conclave__Geometry.self)
    unsafe conclave__geometry__init(wire)
    unsafe wire.pointee.hidden_size = UInt32(geometry.hiddenSize)
    unsafe wire.pointee.expert_intermediate_size = UInt32(geometry.expertIntermediateSize)
    unsafe wire.pointee.expert_count = UInt32(geometry.expertCount)
    unsafe wire.pointee.experts_per_token = UInt32(geometry.expertsPerToken)
    unsafe wire.pointee.group_count = UInt32(geometry.groupCount)
    unsafe wire.pointee.first_layer = UInt32(geometry.moeLayers.lowerBound)
    unsafe wire.pointee.n_gate_formats = formats.count
    unsafe wire.pointee.gate_formats = try array(formats.map(\.gate.rawValue))
    unsafe wire.pointee.n_up_formats = formats.count
    unsafe wire.pointee.up_formats = try array(formats.map(\.up.rawValue))
    unsafe wire.pointee.n_down_formats = formats.count
    unsafe wire.pointee.down_formats = try array(formats.map(\.down.rawValue))
    guard let shared = geometry.shared else { return unsafe wire }
    unsafe wire.pointee.has_shared_intermediate_size = 1
    unsafe wire.pointee.shared_intermediate_size = UInt32(shared.intermediateSize)
    unsafe wire.pointee.n_shared_gate_formats = formats.count
    unsafe wire.pointee.shared_gate_formats = try array(shared.layerFormats.map(\.gate.rawValue))
    unsafe wire.pointee.n_shared_up_formats = formats.count
    unsafe wire.pointee.shared_up_formats = try array(shared.layerFormats.map(\.up.rawValue))
    unsafe wire.pointee.n_shared_down_formats = formats.count
    unsafe wire.pointee.shared_down_formats = try array(shared.layerFormats.map(\.down.rawValue))
    return unsafe wire
  }

  private func array(_ values: [UInt32]) throws(WireError) -> UnsafeMutablePointer<UInt32> {
    let copy = unsafe try arena.allocate(UInt32.self, count: values.count)
    for index in values.indices { unsafe copy[index] = values[index] }
    return unsafe copy
  }

  private func encode(
    _ refusal: Refusal
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__Refusal> {
    let wire = unsafe try arena.allocate(Conclave__Refusal.self)
    unsafe conclave__refusal__init(wire)
    unsafe wire.pointee.reason = Conclave__RefusalReason(rawValue: refusal.reason.rawValue)
    unsafe wire.pointee.text = try line(refusal.text, "Refusal")
    return unsafe wire
  }

  private func encode(
    _ assignment: Assignment
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__Assignment> {
    let checks = FieldChecks(message: "Assignment")
    try assignment.check(checks)
    let wire = unsafe try arena.allocate(Conclave__Assignment.self)
    unsafe conclave__assignment__init(wire)
    unsafe wire.pointee.origin = Conclave__ExpertOrigin(rawValue: assignment.origin.rawValue)
    unsafe wire.pointee.n_layers = assignment.units.count
    unsafe wire.pointee.layers = try array(assignment.units.map { UInt32($0.layer.rawValue) })
    unsafe wire.pointee.n_groups = assignment.units.count
    unsafe wire.pointee.groups = try array(assignment.units.map { UInt32($0.group.rawValue) })
    return unsafe wire
  }

  private func encode(
    _ request: ChunkRequest
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__ChunkRequest> {
    let checks = FieldChecks(message: "ChunkRequest")
    let wire = unsafe try arena.allocate(Conclave__ChunkRequest.self)
    unsafe conclave__chunk_request__init(wire)
    unsafe wire.pointee.layer = try checks.field(
      request.unit.layer.rawValue, "layer", in: 0...WireLimits.layerCount - 1)
    unsafe wire.pointee.group = try checks.field(
      request.unit.group.rawValue, "group", in: 0...WireLimits.groupCount - 1)
    unsafe wire.pointee.offset = try checks.field(
      request.offset, "offset", in: 0...Int(WireLimits.memoryByteCount))
    unsafe wire.pointee.count = try checks.field(
      request.count, "count", in: 1...WireLimits.chunkByteCount)
    return unsafe wire
  }

  private func encode(
    _ reply: ChunkReply
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__ChunkReply> {
    let wire = unsafe try arena.allocate(Conclave__ChunkReply.self)
    unsafe conclave__chunk_reply__init(wire)
    unsafe wire.pointee.request = try encode(reply.request)
    unsafe wire.pointee.sha256 = try arena.bytes(reply.sha256.bytes)
    return unsafe wire
  }

  private func encode(
    _ progress: Progress
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__Progress> {
    let checks = FieldChecks(message: "Progress")
    let groups = 0...WireLimits.assignedGroupCount
    let wire = unsafe try arena.allocate(Conclave__Progress.self)
    unsafe conclave__progress__init(wire)
    unsafe wire.pointee.state = Conclave__WorkerState(rawValue: progress.state.rawValue)
    unsafe wire.pointee.counter = progress.counter
    unsafe wire.pointee.busy_nanoseconds = progress.busyNanoseconds
    unsafe wire.pointee.loaded_groups = try checks.field(
      progress.loadedGroups, "loaded_groups", in: groups)
    unsafe wire.pointee.assigned_groups = try checks.field(
      progress.assignedGroups, "assigned_groups", in: groups)
    unsafe wire.pointee.resident_bytes = try checks.field(
      progress.residentBytes, "resident_bytes", in: 0...Int(WireLimits.memoryByteCount))
    return unsafe wire
  }

  private func encode(
    _ ready: Ready
  ) throws(WireError) -> UnsafeMutablePointer<Conclave__Ready> {
    let checks = FieldChecks(message: "Ready")
    let wire = unsafe try arena.allocate(Conclave__Ready.self)
    unsafe conclave__ready__init(wire)
    unsafe wire.pointee.resident_bytes = try checks.field(
      ready.residentBytes, "resident_bytes", in: 0...Int(WireLimits.memoryByteCount))
    unsafe wire.pointee.loaded_groups = try checks.field(
      ready.loadedGroups, "loaded_groups", in: 0...WireLimits.assignedGroupCount)
    return unsafe wire
  }
}
