import Experts
import Kernels
import Tensors
import Testing

@Suite struct GroupPackerTests {
  static let kernels = Kernels(team: ThreadTeam(threads: 2))

  @Test(arguments: TestModel.some)
  func aStreamInAnyPiecesGivesTheSameExperts(_ model: TestModel) throws {
    let catalog = try model.catalog()
    let geometry = catalog.geometry
    let expected = try OneAnswerTests.sums(OneAnswerTests.local(model))
    var random = SeededGenerator(seed: 12)
    let bank = ExpertBank(geometry: geometry)
    for layer in geometry.layers {
      for group in geometry.groups {
        let bytes = try catalog.bytes(layer, group)
        var packer = try bank.makePacker(layer, group, kernels: Self.kernels)
        var position = 0
        while position < bytes.count {
          let end = min(position + Int.random(in: 1...70_000, using: &random), bytes.count)
          unsafe try packer.append(bytes.span.bytes.extracting(position..<end))
          position = end
        }
        bank.insert(try packer.finish())
      }
    }
    let backend = try LocalExperts(bank: bank, kernels: Self.kernels)
    #expect(try OneAnswerTests.sums(backend) == expected)
  }

  @Test func tooFewAndTooManyBytesAreRefused() throws {
    let catalog = try TestModel.fp8.catalog()
    let (layer, group) = (LayerIndex(1), GroupIndex(3))
    let bytes = try catalog.bytes(layer, group)
    let bank = ExpertBank(geometry: catalog.geometry)
    var short = try bank.makePacker(layer, group, kernels: Self.kernels)
    unsafe try short.append(bytes.span.bytes.extracting(first: bytes.count - 1))
    do {
      _ = try short.finish()
      Issue.record("a byte is missing")
    } catch {
      #expect(
        error.description
          == "layer 1, group 3: \(bytes.count - 1) of \(bytes.count) bytes came; "
          + "load the group again")
    }
    var long = try bank.makePacker(layer, group, kernels: Self.kernels)
    unsafe try long.append(bytes.span.bytes)
    do {
      unsafe try long.append([0].span.bytes)
      Issue.record("a byte too many")
    } catch {
      #expect(
        error.description
          == "layer 1, group 3: more than the \(bytes.count) bytes that it has; "
          + "both sides must run the same version")
    }
  }

  @Test func aBankCountsWhatItHolds() throws {
    let catalog = try TestModel.quantised[0].catalog()
    let geometry = catalog.geometry
    let bank = ExpertBank(geometry: geometry)
    let (layer, group) = (geometry.layers[1], GroupIndex(0))
    #expect(!bank.holds(layer, group) && bank.residentByteCount == 0)
    #expect(!bank.holds(LayerIndex(99), group) && !bank.holds(layer, GroupIndex(-1)))
    var bytes = 0
    try bank.load(layer, group, from: catalog, kernels: Self.kernels) { bytes += $0 }
    #expect(bytes == geometry.byteCount(layer, group))
    #expect(bank.holds(layer, group) && bank.loadedGroupCount == 1)
    // Panels pad rows to sixteens and blocks to pairs, no more.
    #expect(bank.residentByteCount >= bytes && bank.residentByteCount < bytes + bytes / 16)
    try bank.load(layer, group, from: catalog, kernels: Self.kernels)
    #expect(bank.loadedGroupCount == 1)
    let error = #expect(throws: ExpertError.self) {
      try LocalExperts(bank: bank, kernels: Self.kernels)
    }
    #expect(
      error?.description
        == "layer \(geometry.layers[0]), group 0 is not loaded; load it first")
    bank.unload(layer, group)
    #expect(bank.loadedGroupCount == 0 && bank.residentByteCount == 0)
  }
}
