import Placement
import Testing

@Suite struct RoutingTraceTests {
  private func sample() throws -> RoutingTrace {
    var trace = try RoutingTrace(firstLayer: 1, layerCount: 3, expertCount: 9, expertsPerToken: 2)
    try trace.append([0, 1, 2, 3, 4, 5])
    try trace.append([8, 1, 2, 0, 5, 4])
    return trace
  }

  @Test func `a recording survives a file`() throws {
    let trace = try sample()
    let read = try RoutingTrace(bytes: trace.bytes)
    #expect(read == trace && read.rowCount == 2)
    #expect(Array(read.experts(row: 1, layer: 2)) == [5, 4])
    #expect(read.uses[0] == [1, 2, 0, 0, 0, 0, 0, 0, 1])
    let shares = read.popularity.shares(layer: 0)
    #expect(abs(shares.reduce(0, +) - 1) < 1e-12)
    #expect(read.popularity[0, 1] > read.popularity[0, 0] && read.popularity[0, 2] > 0)
  }

  @Test func `every cut and every flipped size is refused`() throws {
    let bytes = try sample().bytes
    for count in bytes.indices {
      #expect(throws: RoutingTraceError.self) { try RoutingTrace(bytes: Array(bytes[..<count])) }
    }
    #expect(throws: RoutingTraceError.self) { try RoutingTrace(bytes: bytes + [0]) }
    for index in 0..<32 where index < 12 || (index >= 16 && index != 20) {  // others may be true
      var changed = bytes
      changed[index] ^= 0x40
      #expect(throws: RoutingTraceError.self, "byte \(index)") {
        try RoutingTrace(bytes: changed)
      }
    }
  }

  @Test func `impossible experts are refused`() throws {
    var trace = try sample()
    #expect(throws: RoutingTraceError.self) { try trace.append([0, 0, 2, 3, 4, 5]) }
    #expect(throws: RoutingTraceError.self) { try trace.append([0, 9, 2, 3, 4, 5]) }
    #expect(throws: RoutingTraceError.self) { try trace.append([0, 1]) }
    #expect(trace.rowCount == 2)
    #expect(throws: RoutingTraceError.self) {
      try RoutingTrace(firstLayer: 0, layerCount: 1, expertCount: 4, expertsPerToken: 5)
    }
  }
}
