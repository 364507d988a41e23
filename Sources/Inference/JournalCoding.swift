import Tokenization

/// Writes the fields of a record: integers little-endian, arrays after their count.
struct JournalWriter {
  private(set) var bytes: [UInt8] = []

  mutating func write(byte: UInt8) { bytes.append(byte) }

  mutating func write(_ value: some FixedWidthInteger) {
    for shift in stride(from: 0, to: value.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> shift))
    }
  }

  mutating func write(_ value: Float) { write(value.bitPattern) }

  mutating func write(_ value: Bool) { write(byte: value ? 1 : 0) }

  mutating func write(_ value: [UInt8]) {
    write(value.count)
    bytes += value
  }

  mutating func write(_ value: String) { write(Array(value.utf8)) }

  mutating func write(_ values: [TokenID]) {
    write(values.count)
    for value in values { write(value) }
  }

  mutating func write<Value>(
    _ value: Value?, _ body: (inout JournalWriter, Value) -> Void
  ) {
    write(value != nil)
    if let value { body(&self, value) }
  }

  mutating func write(_ request: GenerationRequest) {
    write(request.prompt)
    write(request.maxTokens) { $0.write($1) }
    write(request.sampling)
    write(request.stopStrings.count)
    for text in request.stopStrings { write(text) }
    write(request.stopTokens.sorted())
    write(request.answerPrefix)
    write(request.shownTokens.sorted())
    write(request.topLogprobs) { $0.write($1) }
    write(request.tenant) { $0.write($1) }
    write(request.priority.rawValue)
    write(request.deadline) { writer, deadline in
      writer.write(deadline.components.seconds)
      writer.write(deadline.components.attoseconds)
    }
    write(request.id?.description) { $0.write($1) }
    write(request.note)
  }

  private mutating func write(_ sampling: SamplingParameters) {
    for value in [
      sampling.temperature, sampling.topP, sampling.minP, sampling.repetitionPenalty,
      sampling.frequencyPenalty, sampling.presencePenalty,
    ] { write(value) }
    write(sampling.topK)
    write(sampling.penaltyWindow)
    write(sampling.seed) { $0.write($1) }
    write(sampling.logitBias.count)
    for (token, bias) in sampling.logitBias.sorted(by: { $0.key < $1.key }) {
      write(token)
      write(bias)
    }
  }
}

/// Reads what `JournalWriter` wrote; every method gives nil when the bytes are not that.
struct JournalReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) {
    rest = bytes
  }

  var isAtEnd: Bool { rest.isEmpty }

  /// The frame at the start of `bytes`.
  static func frame(_ bytes: ArraySlice<UInt8>) -> (byteCount: Int, checksum: UInt32)? {
    var reader = JournalReader(bytes)
    guard let count = reader.number(UInt32.self), let checksum = reader.number(UInt32.self),
      count <= JournalRecord.maximumByteCount
    else { return nil }
    return (Int(count), checksum)
  }

  mutating func byte() -> UInt8? { rest.popFirst() }
  mutating func word() -> UInt64? { number(UInt64.self) }
  mutating func integer() -> Int? { number(UInt64.self).map { Int(truncatingIfNeeded: $0) } }

  mutating func request() -> GenerationRequest? {
    guard let prompt = tokens(), let maxTokens = optional({ $0.integer() }),
      let sampling = sampling(), let stopStrings = array({ $0.text() }), let stopTokens = tokens(),
      let answerPrefix = text(), let shownTokens = tokens(),
      let topLogprobs = optional({ $0.integer() }),
      let tenant = optional({ $0.text() }),
      let priority = integer().flatMap(RequestPriority.init(rawValue:)),
      let deadline = optional({ $0.duration() }), let id = optional({ $0.text() }),
      let note = bytes()
    else { return nil }
    var request = GenerationRequest(
      prompt: prompt, maxTokens: maxTokens, sampling: sampling, stopStrings: stopStrings,
      stopTokens: Set(stopTokens), answerPrefix: answerPrefix)
    request.shownTokens = Set(shownTokens)
    request.topLogprobs = topLogprobs
    request.tenant = tenant
    request.priority = priority
    request.deadline = deadline
    request.id = id.flatMap(RequestID.init)
    request.note = note
    return request
  }

  private mutating func sampling() -> SamplingParameters? {
    guard let temperature = float(), let topP = float(), let minP = float(),
      let repetition = float(), let frequency = float(), let presence = float(),
      let topK = integer(), let window = integer(), let seed = optional({ $0.word() }),
      let biases = array({ reader in reader.bias() })
    else { return nil }
    return SamplingParameters(
      temperature: temperature, topK: topK, topP: topP, minP: minP,
      repetitionPenalty: repetition, frequencyPenalty: frequency, presencePenalty: presence,
      penaltyWindow: window, seed: seed,
      logitBias: Dictionary(biases) { first, _ in first })
  }

  private mutating func bias() -> (TokenID, Float)? {
    guard let token = number(UInt32.self), let bias = float() else { return nil }
    return (TokenID(bitPattern: token), bias)
  }

  private mutating func duration() -> Duration? {
    guard let seconds = word(), let attoseconds = word() else { return nil }
    return Duration(
      secondsComponent: Int64(bitPattern: seconds),
      attosecondsComponent: Int64(bitPattern: attoseconds))
  }

  private mutating func tokens() -> [TokenID]? {
    array { $0.number(UInt32.self).map(TokenID.init(bitPattern:)) }
  }

  private mutating func text() -> String? {
    bytes().flatMap { String(validating: $0, as: UTF8.self) }
  }

  private mutating func float() -> Float? {
    number(UInt32.self).map(Float.init(bitPattern:))
  }

  private mutating func bytes() -> [UInt8]? {
    guard let count = integer(), count >= 0, count <= rest.count else { return nil }
    defer { rest.removeFirst(count) }
    return Array(rest.prefix(count))
  }

  private mutating func array<Element>(
    _ element: (inout JournalReader) -> Element?
  ) -> [Element]? {
    guard let count = integer(), count >= 0, count <= rest.count else { return nil }
    var elements: [Element] = []
    for _ in 0..<count {
      guard let next = element(&self) else { return nil }
      elements.append(next)
    }
    return elements
  }

  private mutating func optional<Value>(
    _ value: (inout JournalReader) -> Value?
  ) -> Value?? {
    switch byte() {
    case 0: return .some(nil)
    case 1: return value(&self).map { .some($0) }
    default: return nil
    }
  }

  private mutating func number<Number: FixedWidthInteger & UnsignedInteger>(
    _ type: Number.Type
  ) -> Number? {
    let count = Number.bitWidth / 8
    guard rest.count >= count else { return nil }
    defer { rest.removeFirst(count) }
    return rest.prefix(count).reversed().reduce(0) { $0 << 8 | Number($1) }
  }
}
