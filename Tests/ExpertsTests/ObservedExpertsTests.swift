import Experts
import Testing

@Suite struct ObservedExpertsTests {
  @Test(arguments: TestModel.some)
  func watchingChangesNoByteAndCountsEveryUse(_ model: TestModel) throws {
    let local = try OneAnswerTests.local(model)
    let expected = try OneAnswerTests.sums(local)
    let observed = ObservedExperts(local)
    #expect(observed.use.snapshot.calls == 0)
    #expect(try OneAnswerTests.sums(observed, chunks: [0..<20, 20..<37]) == expected)
    let figures = observed.use.snapshot
    let layers = model.shape.moeLayers.count
    #expect(observed.use.firstLayer == model.shape.moeLayers.lowerBound)
    #expect(figures.calls == 2 * layers)
    #expect(figures.rows == OneAnswerTests.rows * layers)
    let routing = TestRouting(model.shape, rows: OneAnswerTests.rows, seed: 2)
    var uses = Array(repeating: 0, count: model.shape.expertCount)
    for expert in routing.experts.joined() { uses[Int(expert)] += 1 }
    #expect(figures.uses == Array(repeating: uses, count: layers))
    #expect(figures.dispatch > .zero && figures.combine > .zero)
  }
}
