import Experts
import Foundation
import Kernels
import Tensors
import Testing

extension Double {
  /// e to this power, from the C library: nothing of ours.
  var exponential: Double { exp(self) }
}

@Suite struct PartialSumTests {
  static let kernels = Kernels(team: ThreadTeam(threads: 2))

  @Test(arguments: TestModel.all)
  func sumsAgreeWithADoubleReference(_ model: TestModel) throws {
    let catalog = try model.catalog()
    let geometry = catalog.geometry
    let backend = try LocalExperts(loading: catalog, kernels: Self.kernels)
    let rows = 5
    let x = FloatMatrix.random(rows: rows, columns: geometry.hiddenSize, seed: 5)
    let routing = TestRouting(geometry.shape, rows: rows, seed: 6)
    for layer in geometry.layers {
      let naive = try NaiveExperts(catalog, layer)
      let batch = routing.batch(x, 0..<rows, geometry, layer, Self.kernels)
      var sum = FloatMatrix(rows: rows, columns: geometry.hiddenSize)
      try backend.combine(backend.dispatch(batch, layer: layer), into: &sum)
      for row in 0..<rows {
        let expected = naive.sum(
          x.array(row), experts: routing.experts[row], weights: routing.weights[row])
        #expect(
          expected.worst(sum.array(row)) <= NaiveExperts.limit, "layer \(layer), row \(row)")
      }
    }
  }

  @Test func aMixOfFormatsIsComputedInEach() throws {
    let file = try MixedModel()
    defer { file.remove() }
    let catalog = try file.catalog()
    let geometry = catalog.geometry
    let backend = try LocalExperts(loading: catalog, kernels: Self.kernels)
    let x = FloatMatrix.random(rows: 9, columns: geometry.hiddenSize, seed: 7)
    let routing = TestRouting(geometry.shape, rows: 9, seed: 8)
    let cluster = try FakeCluster(
      catalog, assignment: geometry.groups.map { $0.rawValue % 2 }, kernels: Self.kernels)
    for layer in geometry.layers {
      let naive = try NaiveExperts(catalog, layer)
      let batch = routing.batch(x, 0..<9, geometry, layer, Self.kernels)
      var sum = FloatMatrix(rows: 9, columns: geometry.hiddenSize)
      try backend.combine(backend.dispatch(batch, layer: layer), into: &sum)
      var remote = FloatMatrix(rows: 9, columns: geometry.hiddenSize)
      try cluster.combine(cluster.dispatch(batch, layer: layer), into: &remote)
      #expect(remote.bits(0..<9) == sum.bits(0..<9))
      for row in 0..<9 {
        let expected = naive.sum(
          x.array(row), experts: routing.experts[row], weights: routing.weights[row])
        #expect(
          expected.worst(sum.array(row)) <= NaiveExperts.limit, "layer \(layer), row \(row)")
      }
    }
  }

  @Test func mergedGateAndUpProjectionsAreTakenApart() throws {
    let file = try MixedModel()
    defer { file.remove() }
    let catalog = try file.catalog()
    // Layer 2 repeats the experts of layer 1 with gate and up merged.
    for group in catalog.geometry.groups {
      #expect(
        try catalog.bytes(LayerIndex(2), group) == catalog.bytes(LayerIndex(1), group))
    }
  }

  @Test func wrongEntriesAreRefused() throws {
    let catalog = try TestModel.fp8.catalog()
    let geometry = catalog.geometry
    let worker = try FakeWorker(catalog, groups: [GroupIndex(1)], kernels: Self.kernels)
    func problem(_ entries: [RoutedEntry], layer: Int = 1) -> String? {
      do {
        try geometry.validate(
          entries.span, rowCount: 2, layer: LayerIndex(layer), in: worker.bank)
        return nil
      } catch { return error.description }
    }
    func entry(_ row: Int32, _ expert: Int32) -> RoutedEntry {
      RoutedEntry(row: row, expert: expert, weight: 1)
    }
    #expect(problem([entry(0, 2), entry(0, 3), entry(1, 2)]) == nil)
    #expect(
      problem([entry(0, 2)], layer: 0) == "layer 0 has no routed experts; the sender is broken")
    #expect(
      problem([entry(2, 2)])
        == "routed entry 0: row 2, expert 2 does not exist; the sender is broken")
    #expect(problem([entry(-1, 2)]) != nil)
    #expect(problem([entry(0, 8)]) != nil)
    #expect(problem([entry(0, -1)]) != nil)
    #expect(
      problem([entry(0, 3), entry(0, 2)])
        == "routed entry 1: it does not ascend by row and expert; the sender is broken")
    #expect(problem([entry(0, 3), entry(0, 3)]) != nil)
    #expect(
      problem([entry(0, 1)])
        == "layer 1, group 0 is not held here; load it or ask its holder")
  }

  @Test func repliesOfTheWrongLengthAreRefused() throws {
    let model = TestModel.quantised[0]
    let geometry = try model.catalog().geometry
    let layer = geometry.layers[0]
    let x = FloatMatrix.random(rows: 3, columns: geometry.hiddenSize, seed: 1)
    let routing = TestRouting(geometry.shape, rows: 3, seed: 1)
    let batch = routing.batch(x, 0..<3, geometry, layer, Self.kernels)
    var split = BatchSplit(geometry: geometry, capacity: 3)
    split.split(
      batch, assignment: geometry.groups.map { _ in 0 }, shareCount: 1)
    let sums = PartialSums(geometry: geometry)
    sums.begin(batch)
    let share = split.shares[0]
    let length = share.partials.count * geometry.replyRowByteCount(layer)
    for wrong in [0, 1, length - 1, length + 1, 2 * length] {
      let reply = [UInt8](repeating: 0, count: wrong)
      let error = #expect(throws: ExpertError.self) {
        unsafe try sums.accept(reply.span.bytes, for: share)
      }
      #expect(
        error?.description
          == "layer \(layer): a reply of \(wrong) bytes where \(length) belong; "
          + "restart that worker with the same version")
    }
    #expect(!sums.isComplete)
  }
}
