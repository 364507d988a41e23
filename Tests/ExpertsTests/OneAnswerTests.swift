import Experts
import Kernels
import Tensors
import Testing

/// The same bytes however the work is spread (DESIGN.md, "one answer").
@Suite struct OneAnswerTests {
  static let kernels = Kernels(team: ThreadTeam(threads: 2))
  static let rows = 37

  /// The sums of every layer of a model, rows in one batch.
  static func sums(
    _ backend: any ExpertBackend, chunks: [Range<Int>] = [0..<rows], kernels: Kernels = kernels
  ) throws -> [[UInt32]] {
    let geometry = backend.geometry
    let x = FloatMatrix.random(rows: rows, columns: geometry.hiddenSize, seed: 1)
    let routing = TestRouting(geometry.shape, rows: rows, seed: 2)
    return try geometry.layers.map { layer in
      try chunks.flatMap { chunk in
        let batch = routing.batch(x, chunk, geometry, layer, kernels)
        var sum = FloatMatrix(rows: chunk.count, columns: geometry.hiddenSize)
        try backend.combine(backend.dispatch(batch, layer: layer), into: &sum)
        return sum.bits(0..<chunk.count)
      }
    }
  }

  static func local(_ model: TestModel, _ kernels: Kernels = kernels) throws -> LocalExperts {
    try LocalExperts(loading: model.catalog(), kernels: kernels)
  }

  @Test(arguments: TestModel.some, [1, 2, 3, 5])
  func anyNumberOfWorkersGivesTheBytesOfOneProcess(_ model: TestModel, _ count: Int) throws {
    let expected = try Self.sums(Self.local(model))
    let assignment = (0..<model.shape.groupCount).map { $0 % count }
    let cluster = try FakeCluster(model.catalog(), assignment: assignment, kernels: Self.kernels)
    #expect(try Self.sums(cluster) == expected)
  }

  @Test(arguments: TestModel.some)
  func lateAndRepeatedRepliesChangeNothing(_ model: TestModel) throws {
    let expected = try Self.sums(Self.local(model))
    var random = SeededGenerator(seed: 9)
    for _ in 0..<4 {
      let groups = 0..<model.shape.groupCount
      let assignment = groups.map { _ in Int.random(in: 0..<3, using: &random) }
      let cluster = try FakeCluster(model.catalog(), assignment: assignment, kernels: Self.kernels)
      cluster.isReversed = true
      cluster.repeatsReplies = true
      #expect(try Self.sums(cluster) == expected, "assignment \(assignment)")
    }
  }

  @Test(arguments: TestModel.some)
  func aRowDoesNotDependOnItsBatch(_ model: TestModel) throws {
    let backend = try Self.local(model)
    let expected = try Self.sums(backend)
    let alone = (0..<Self.rows).map { $0..<$0 + 1 }
    #expect(try Self.sums(backend, chunks: alone) == expected)
    #expect(try Self.sums(backend, chunks: [0..<5, 5..<6, 6..<31, 31..<37]) == expected)
  }

  @Test(arguments: TestModel.some)
  func smallTilesGiveTheSameBytes(_ model: TestModel) throws {
    let catalog = try model.catalog()
    let geometry = catalog.geometry
    let worker = try FakeWorker(catalog, groups: geometry.groups, kernels: Self.kernels)
    let x = FloatMatrix.random(rows: Self.rows, columns: geometry.hiddenSize, seed: 1)
    let routing = TestRouting(geometry.shape, rows: Self.rows, seed: 2)
    for layer in geometry.layers {
      let batch = routing.batch(x, 0..<Self.rows, geometry, layer, Self.kernels)
      func replies(tileByteCount: Int) -> [UInt8] {
        var workspace = ExpertWorkspace(
          geometry: geometry, kernels: Self.kernels, tileByteCount: tileByteCount)
        var replies = EncodedReplies(
          format: geometry.replyFormat(layer), capacity: geometry.partialCount(batch.entries),
          columns: geometry.hiddenSize)
        workspace.compute(
          batch.entries, of: batch.activations, layer: layer, bank: worker.bank, into: &replies)
        return replies.wireBytes(0..<replies.rowCount).array
      }
      let expected = replies(tileByteCount: 1 << 30)
      #expect(replies(tileByteCount: 1) == expected)
      #expect(replies(tileByteCount: 20_000) == expected)
    }
  }

  @Test(arguments: TestModel.some, KernelVariant.available)
  func threadsAndInstructionSetsGiveTheSameBytes(
    _ model: TestModel, _ variant: KernelVariant
  ) throws {
    let expected = try Self.sums(Self.local(model))
    for threads in [1, 2] {
      let kernels = Kernels(variant: variant, team: ThreadTeam(threads: threads))
      #expect(try Self.sums(Self.local(model, kernels), kernels: kernels) == expected)
    }
  }

  @Test func twoBatchesMayBeOnTheirWay() throws {
    let model = TestModel.quantised[0]
    let backend = try Self.local(model)
    let geometry = backend.geometry
    let expected = try Self.sums(backend, chunks: [0..<9, 9..<20])[0]
    let x = FloatMatrix.random(rows: Self.rows, columns: geometry.hiddenSize, seed: 1)
    let routing = TestRouting(geometry.shape, rows: Self.rows, seed: 2)
    let layer = geometry.layers[0]
    var batch = RoutedBatch(geometry: geometry, capacity: 16)
    routing.fill(&batch, x, 0..<9, layer, Self.kernels)
    let first = backend.dispatch(batch, layer: layer)
    routing.fill(&batch, x, 9..<20, layer, Self.kernels)
    let second = backend.dispatch(batch, layer: layer)
    var sum = FloatMatrix(rows: 16, columns: geometry.hiddenSize)
    try backend.combine(first, into: &sum)
    var bits = sum.bits(0..<9)
    try backend.combine(second, into: &sum)
    bits += sum.bits(0..<11)
    #expect(bits == expected)
    #expect(throws: ExpertError.self) { try backend.combine(second, into: &sum) }
  }
}
