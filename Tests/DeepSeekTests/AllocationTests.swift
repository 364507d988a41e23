import DeepSeek
import Kernels
import Synchronization
import Tensors
import TestSupport
import Testing

/// Decode steps allocate nothing, on the engine's thread and on its helpers.
@Suite(.serialized, .enabled(if: Allocations.areCounted)) struct AllocationTests {
  @Test func `an allocation is seen, on this thread and on an adopted one`() throws {
    let one = Allocations.count { keep([UInt8](repeating: 1, count: 1000)) }
    #expect(one.own >= 1)
    let loaded = try Allocations.adoptingThreads {
      try LoadedModel(Fixtures.path("gguf/llm-like.gguf"), threads: 3)
    }
    // Each chunk waits for another to have begun, so that a helper must have taken one.
    let begun = Atomic<Int>(0)
    let helpers = Allocations.count(here: false) {
      loaded.kernels.team.forEach(2) { index in
        begun.wrappingAdd(1, ordering: .relaxed)
        let end = ContinuousClock.now + .seconds(10)
        while begun.load(ordering: .relaxed) < 2, ContinuousClock.now < end {}
        keep([UInt8](repeating: UInt8(index), count: 1000))
      }
    }
    #expect(helpers.own >= 1)
    #expect(Allocations.count(here: false) { keep([UInt8](repeating: 1, count: 1000)) }.own == 0)
  }

  @Test(
    arguments: [
      "gguf/v2-lite-like.gguf", "gguf/v2-236b-like.gguf", "gguf/k-quants-3-layers/Q4_K_M.gguf",
      "gguf/v3-like/v3-like-00001-of-00003.gguf", "gguf/llm-like.gguf", "gguf/coder-v1-like.gguf",
    ], [(1, Overlap.off), (16, .off), (16, .fixed(2))])
  func `a decode step allocates nothing`(name: String, way: (Int, Overlap)) throws {
    let (sequences, overlap) = way
    let loaded = try Allocations.adoptingThreads {
      try LoadedModel(Fixtures.path(name), threads: 3, overlap: overlap)
    }
    let caches = try (0..<sequences).map { _ in try loaded.model.makeCache(capacity: 64) }
    let tokens: [Int32] = [5, 3, 7, 2, 9, 4, 8, 6]
    var logits = FloatMatrix(rows: sequences, columns: loaded.vocabularySize)
    var step = StepBatch()
    func run(_ range: Range<Int>) throws {
      step.removeAll()
      for cache in caches { step.append(tokens.span.extracting(range), to: cache) }
      try loaded.model.forward(step, experts: loaded.experts, logits: &logits)
    }
    try run(0..<3)
    for round in 0..<4 { try run(round..<round + 1) }
    let allocations = try Allocations.count {
      for round in 0..<24 { try run(round % 8..<round % 8 + 1) }
    }
    #expect(allocations.own == 0)
  }
}

/// Makes the compiler keep `value`.
@inline(never) private func keep<Value>(_ value: Value) { withExtendedLifetime(value) {} }
