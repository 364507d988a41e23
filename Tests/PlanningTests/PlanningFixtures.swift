import Planning
import Synthesis
import Testing

/// Models and clusters that tests plan.
enum Sample {
  static func model(
    _ name: String = "deepseek-v2-lite", layers: Int? = nil, quantization: Quantization = .q4KM
  ) throws -> PlannedModel {
    let geometry = try #require(Geometry.named(name))
    return try PlannedModel(layers.map { geometry.withLayers($0) } ?? geometry, quantization)
  }

  static func host(
    _ name: String, gibibytes: Int = 64, cores: Int = 16, gigabytesPerSecond: Double = 80,
    gigabits: Double = 1, roundTrip: Double = 200e-6
  ) -> HostDescription {
    HostDescription(
      name: name, memory: gibibytes << 30, cores: cores,
      bytesPerSecond: gigabytesPerSecond * 1e9,
      link: LinkDescription(bytesPerSecond: gigabits * 125e6, roundTripSeconds: roundTrip))
  }

  static func cluster(
    workers count: Int, gigabits: Double = 1, roundTrip: Double = 200e-6
  ) -> ClusterDescription {
    ClusterDescription(
      coordinator: host("c", gigabits: gigabits),
      workers: (0..<count).map {
        host("w\($0)", gigabits: gigabits, roundTrip: roundTrip)
      })
  }

  static func request(
    context: Int = 8192, sequences: Int = 1, batches: [Int] = [1, 16]
  ) -> PlanRequest {
    var request = PlanRequest()
    request.contextLength = context
    request.sequenceCount = sequences
    request.batches = batches
    return request
  }
}
