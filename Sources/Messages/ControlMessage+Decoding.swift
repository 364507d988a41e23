import CMessages
import CProtobufC
import Experts
import ModelFiles
import Placement
import Tensors

extension MessageCodec {
  /// Reads the first frame of a control message.
  ///
  /// - Throws: `WireError.protocolVersion` for a peer of another version, else `.malformed`.
  public func decodeControl(_ frame: RawSpan) throws(WireError) -> ControlMessage {
    arena.reset()
    let checks = FieldChecks(message: "ControlMessage")
    try checks.require(
      frame.byteCount <= WireLimits.controlByteCount,
      "\(frame.byteCount) bytes are more than \(WireLimits.controlByteCount)")
    guard
      let wire = unsafe arena.unpack(frame, with: conclave__control_message__unpack)?.pointee
    else { throw checks.error("\(frame.byteCount) bytes that are no such message") }
    unsafe try check(frame, wire.has_frame_checksum == 0 ? nil : wire.frame_checksum, checks)
    guard unsafe wire.protocol == WireLimits.protocolVersion else {
      throw unsafe .protocolVersion(wire.protocol)
    }
    guard let incarnation = unsafe Incarnation(rawValue: wire.incarnation) else {
      throw checks.error("incarnation is 0")
    }
    return unsafe ControlMessage(
      incarnation: incarnation, epoch: Epoch(rawValue: wire.epoch), body: try body(wire, checks))
  }

  private func body(
    _ wire: Conclave__ControlMessage, _ checks: FieldChecks
  ) throws(WireError) -> ControlMessage.Body {
    switch unsafe wire.body_case {
    case CONCLAVE__CONTROL_MESSAGE__BODY_HELLO:
      if let hello = unsafe wire.hello { return .hello(unsafe try decode(hello.pointee)) }
    case CONCLAVE__CONTROL_MESSAGE__BODY_WELCOME:
      if let welcome = unsafe wire.welcome { return .welcome(unsafe try decode(welcome.pointee)) }
    case CONCLAVE__CONTROL_MESSAGE__BODY_REFUSAL:
      if let refusal = unsafe wire.refusal { return .refusal(unsafe try decode(refusal.pointee)) }
    case CONCLAVE__CONTROL_MESSAGE__BODY_ASSIGNMENT:
      if let assignment = unsafe wire.assignment {
        return .assignment(unsafe try decode(assignment.pointee))
      }
    case CONCLAVE__CONTROL_MESSAGE__BODY_CHUNK_REQUEST:
      if let request = unsafe wire.chunk_request {
        return .chunkRequest(unsafe try decode(request.pointee))
      }
    case CONCLAVE__CONTROL_MESSAGE__BODY_CHUNK_REPLY:
      if let reply = unsafe wire.chunk_reply {
        return .chunkReply(unsafe try decode(reply.pointee))
      }
    case CONCLAVE__CONTROL_MESSAGE__BODY_PROGRESS:
      if let progress = unsafe wire.progress {
        return .progress(unsafe try decode(progress.pointee))
      }
    case CONCLAVE__CONTROL_MESSAGE__BODY_PROGRESS_ACK:
      if let ack = unsafe wire.progress_ack {
        return .progressAck(counter: unsafe ack.pointee.counter)
      }
    case CONCLAVE__CONTROL_MESSAGE__BODY_READY:
      if let ready = unsafe wire.ready { return .ready(unsafe try decode(ready.pointee)) }
    case CONCLAVE__CONTROL_MESSAGE__BODY_DRAIN:
      if let drain = unsafe wire.drain {
        return .drain(text: unsafe try line(drain.pointee.text, "Drain"))
      }
    case CONCLAVE__CONTROL_MESSAGE__BODY_SHUTDOWN:
      if let shutdown = unsafe wire.shutdown?.pointee {
        return .shutdown(
          exit: unsafe shutdown.exit != 0, text: unsafe try line(shutdown.text, "Shutdown"))
      }
    default: break
    }
    throw checks.error("no body that this build knows")
  }

  private func line(
    _ text: ProtobufCBinaryData, _ message: String
  ) throws(WireError) -> String {
    let checks = FieldChecks(message: message)
    return unsafe try text.text(limit: WireLimits.textByteCount, checks, "text")
  }

  private func decode(_ wire: Conclave__Hello) throws(WireError) -> Hello {
    let checks = FieldChecks(message: "Hello")
    let memory = Int(WireLimits.memoryByteCount)
    return unsafe Hello(
      name: try wire.name.text(limit: 128, checks, "name"),
      memoryBudget: try checks.integer(wire.memory_budget, "memory_budget", in: 1...memory),
      cores: try checks.integer(wire.cores, "cores", in: 1...4_096),
      instructionSet: try wire.instruction_set.text(limit: 32, checks, "instruction_set"),
      memoryBandwidth: try checks.integer(
        wire.memory_bandwidth, "memory_bandwidth", in: 0...memory),
      numericsProfile: try wire.numerics_profile.text(limit: 64, checks, "numerics_profile"),
      modelDigest: wire.has_model_digest == 0
        ? nil : try wire.model_digest.digest(checks, "model_digest"),
      software: try wire.software.text(limit: 64, checks, "software"))
  }

  private func decode(_ wire: Conclave__Welcome) throws(WireError) -> Welcome {
    let checks = FieldChecks(message: "Welcome")
    var geometry: ExpertGeometry?
    if let shape = unsafe wire.geometry?.pointee { geometry = unsafe try decode(shape) }
    return unsafe Welcome(
      worker: WorkerID(wire.worker),
      dataPort: try checks.integer(wire.data_port, "data_port", in: 1...65_535),
      modelDigest: try wire.model_digest.digest(checks, "model_digest"), geometry: geometry,
      progressMilliseconds: try checks.integer(
        wire.progress_interval, "progress_interval", in: 10...60_000),
      silenceMilliseconds: try checks.integer(
        wire.silence_limit, "silence_limit", in: 100...600_000))
  }

  private func decode(_ wire: Conclave__Geometry) throws(WireError) -> ExpertGeometry {
    let checks = FieldChecks(message: "Geometry")
    let count = unsafe try checks.integer(wire.n_gate_formats, "layers", in: 1...1_024)
    try checks.require(
      unsafe wire.n_up_formats == count && wire.n_down_formats == count,
      "the lists of formats are not equally long")
    let formats = unsafe try self.formats(
      wire.gate_formats, wire.up_formats, wire.down_formats, count: count, checks)
    let groupCount = unsafe try checks.integer(
      wire.group_count, "group_count", in: 1...WireLimits.groupCount)
    let first = unsafe try checks.integer(
      wire.first_layer, "first_layer", in: 0...WireLimits.layerCount - count)
    let expertCount = unsafe try checks.integer(
      wire.expert_count, "expert_count", in: 1...65_535)
    let shared = unsafe try decodeShared(wire, count: count, checks)
    do throws(ExpertError) {
      let shape = unsafe try ExpertShape(
        hiddenSize: Int(wire.hidden_size),
        expertIntermediateSize: Int(wire.expert_intermediate_size), expertCount: expertCount,
        expertsPerToken: Int(wire.experts_per_token), moeLayers: first..<first + count,
        modelGroupCount: expertCount % groupCount == 0 ? groupCount : 0)
      let geometry = try ExpertGeometry(shape: shape, layerFormats: formats, shared: shared)
      try geometry.checkGroups(groupCount, checks)
      return geometry
    } catch {
      throw checks.error(error.description)
    }
  }

  /// The shared experts' part of a geometry of `count` layers; nil where the coordinator has them.
  private func decodeShared(
    _ wire: Conclave__Geometry, count: Int, _ checks: FieldChecks
  ) throws(WireError) -> SharedExperts? {
    let isThere = unsafe wire.has_shared_intermediate_size != 0
    let expected = isThere ? count : 0
    try checks.require(
      unsafe wire.n_shared_gate_formats == expected && wire.n_shared_up_formats == expected
        && wire.n_shared_down_formats == expected,
      "the lists of shared formats are not as long as the others")
    guard isThere else { return nil }
    return SharedExperts(
      intermediateSize: unsafe try checks.integer(
        wire.shared_intermediate_size, "shared_intermediate_size", in: 1...65_536),
      layerFormats: unsafe try formats(
        wire.shared_gate_formats, wire.shared_up_formats, wire.shared_down_formats, count: count,
        checks))
  }

  private func formats(
    _ gate: UnsafeMutablePointer<UInt32>?, _ up: UnsafeMutablePointer<UInt32>?,
    _ down: UnsafeMutablePointer<UInt32>?, count: Int, _ checks: FieldChecks
  ) throws(WireError) -> [ExpertFormats] {
    guard let gate = unsafe gate, let up = unsafe up, let down = unsafe down else { return [] }
    var formats: [ExpertFormats] = []
    for layer in 0..<count {
      formats.append(
        ExpertFormats(
          gate: unsafe try format(gate[layer], checks), up: unsafe try format(up[layer], checks),
          down: unsafe try format(down[layer], checks)))
    }
    return formats
  }

  private func format(_ number: UInt32, _ checks: FieldChecks) throws(WireError) -> ElementFormat {
    guard let format = ElementFormat(rawValue: number) else {
      throw checks.error("element format \(number) is not known")
    }
    return format
  }

  private func decode(_ wire: Conclave__Refusal) throws(WireError) -> Refusal {
    guard let reason = unsafe Refusal.Reason(rawValue: wire.reason.rawValue) else {
      throw unsafe .malformed(
        message: "Refusal", problem: "reason \(wire.reason.rawValue) is not known")
    }
    return Refusal(reason, unsafe try line(wire.text, "Refusal"))
  }

  private func decode(_ wire: Conclave__Assignment) throws(WireError) -> Assignment {
    let checks = FieldChecks(message: "Assignment")
    guard let origin = unsafe Assignment.Origin(rawValue: wire.origin.rawValue) else {
      throw unsafe checks.error("origin \(wire.origin.rawValue) is not known")
    }
    try checks.require(
      unsafe wire.n_layers == wire.n_groups && wire.n_layers <= WireLimits.assignedGroupCount,
      "the lists of layers and groups are not equally long, or too long")
    var units: [PlacementUnit] = []
    if let layers = unsafe wire.layers, let groups = unsafe wire.groups {
      for index in unsafe 0..<wire.n_layers {
        unsafe units.append(
          PlacementUnit(
            layer: LayerIndex(Int(layers[index])), group: GroupIndex(Int(groups[index]))))
      }
    }
    let assignment = Assignment(origin: origin, units: units)
    try assignment.check(checks)
    return assignment
  }

  private func decode(_ wire: Conclave__ChunkRequest) throws(WireError) -> ChunkRequest {
    let checks = FieldChecks(message: "ChunkRequest")
    return unsafe ChunkRequest(
      unit: PlacementUnit(
        layer: LayerIndex(
          try checks.integer(wire.layer, "layer", in: 0...WireLimits.layerCount - 1)),
        group: GroupIndex(
          try checks.integer(wire.group, "group", in: 0...WireLimits.groupCount - 1))),
      offset: try checks.integer(
        wire.offset, "offset", in: 0...Int(WireLimits.memoryByteCount)),
      count: try checks.integer(wire.count, "count", in: 1...WireLimits.chunkByteCount))
  }

  private func decode(_ wire: Conclave__ChunkReply) throws(WireError) -> ChunkReply {
    let checks = FieldChecks(message: "ChunkReply")
    guard let request = unsafe wire.request else { throw checks.error("request is missing") }
    return unsafe ChunkReply(
      request: try decode(request.pointee), sha256: try wire.sha256.digest(checks, "sha256"))
  }

  private func decode(_ wire: Conclave__Progress) throws(WireError) -> Progress {
    let checks = FieldChecks(message: "Progress")
    let groups = 0...WireLimits.assignedGroupCount
    guard let state = unsafe Progress.State(rawValue: wire.state.rawValue) else {
      throw unsafe checks.error("state \(wire.state.rawValue) is not known")
    }
    return unsafe Progress(
      state: state, counter: wire.counter, busyNanoseconds: wire.busy_nanoseconds,
      loadedGroups: try checks.integer(wire.loaded_groups, "loaded_groups", in: groups),
      assignedGroups: try checks.integer(wire.assigned_groups, "assigned_groups", in: groups),
      residentBytes: try checks.integer(
        wire.resident_bytes, "resident_bytes", in: 0...Int(WireLimits.memoryByteCount)))
  }

  private func decode(_ wire: Conclave__Ready) throws(WireError) -> Ready {
    let checks = FieldChecks(message: "Ready")
    return unsafe Ready(
      residentBytes: try checks.integer(
        wire.resident_bytes, "resident_bytes", in: 0...Int(WireLimits.memoryByteCount)),
      loadedGroups: try checks.integer(
        wire.loaded_groups, "loaded_groups", in: 0...WireLimits.assignedGroupCount))
  }
}
