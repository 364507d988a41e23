import Coordinator
import Experts
import Foundation
import LinkEmulation
import ModelFiles
import Synchronization
import Testing
import Transport
import Worker

/// Two coordinators for the same workers, as after a machine was taken for dead.
@Suite(.serialized) struct FencingTests {
  @Test func `workers follow the newer coordinator, and the older one is told and ends`() throws {
    let model = try TestModel(TestModel.floats)
    let layer = model.geometry.layers[0]
    let local = try LocalExperts(loading: model.catalog, kernels: testKernels)
    let expected = try answer(local, layer, rows: 5, seed: 1)
    let fenced = Atomic<Bool>(false)
    let isFenced = { fenced.load(ordering: .relaxed) }
    let older = try makeCoordinator(model.served, workers: 1) {
      $0.workersEndWithIt = false
      $0.onFenced = { fenced.store(true, ordering: .relaxed) }
    }
    let first = ThreadWorker(join: older.endpoint, model: model.archive) { $0.name = "first" }
    defer { first.stop() }
    try older.gather()
    #expect(try answer(try #require(older.experts), layer, rows: 5, seed: 1) == expected)

    // An address that leads to the newer one first, and later, by mistake, to the older one.
    let newer = try makeCoordinator(model.served, workers: 1) {
      $0.workersEndWithIt = false
      $0.silenceLimit = .seconds(2)
    }
    func address(_ target: ClusterCoordinator, port: Int) throws -> LinkEmulator {
      let end = try #require(TCPEndpoint(String(target.endpoint.dropFirst("tcp://".count))))
      return try LinkEmulator([
        LinkRoute(listen: TCPEndpoint(host: "127.0.0.3", port: port), target: end)
      ])
    }
    let right = try address(newer, port: 0)
    let port = right.endpoints[0].port
    let data = try LinkEmulator([try #require(dataRoute(of: newer, host: "127.0.0.3"))])
    let second = ThreadWorker(join: "tcp://127.0.0.3:\(port)", model: model.archive) {
      $0.name = "second"
    }
    defer { second.stop() }
    try newer.gather()
    #expect(try answer(try #require(newer.experts), layer, rows: 5, seed: 1) == expected)
    #expect(!isFenced())

    right.stop()
    data.stop()
    let wrong = try again { try address(older, port: port) }
    defer { wrong.stop() }
    newer.shutdown()
    let end = ContinuousClock.now + .seconds(30)
    while !isFenced(), ContinuousClock.now < end { usleep(10_000) }
    #expect(isFenced())
    older.shutdown()
  }
}

/// Tries for a while: a port may not be free at once after its owner has ended.
private func again<Value>(_ body: () throws -> Value) throws -> Value {
  for _ in 0..<1_000 {
    if let value = try? body() { return value }
    usleep(20_000)
  }
  return try body()
}
