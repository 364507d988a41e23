import Kernels
import Tensors

/// Chooses the next tokens of many sequences at once, on the threads of the model.
final class BatchSampler {
  /// A workspace for each thread.
  private final class Desk {
    var workspace: SamplerWorkspace

    init(vocabularySize: Int) {
      workspace = SamplerWorkspace(vocabularySize: vocabularySize)
    }
  }

  private let team: ThreadTeam?
  private let desks: [Desk]

  /// Allocates a workspace per thread of `team`, at most `most`.
  init(vocabularySize: Int, team: ThreadTeam?, most: Int) {
    self.team = team
    desks = (0..<max(1, min(team?.threadCount ?? 1, most))).map { _ in
      Desk(vocabularySize: vocabularySize)
    }
  }

  /// Sets the `choices` of each sequence from its rows of logits.
  func choose<Cache>(_ sequences: [ActiveSequence<Cache>], from logits: borrowing FloatMatrix) {
    let chunkCount = min(desks.count, sequences.count)
    guard chunkCount > 1, let team else {
      for sequence in sequences { choose(for: sequence, logits, at: desks[0]) }
      return
    }
    // Each sequence and each desk is touched by one call of the closure only.
    team.forEach(chunkCount) { chunk in
      for index in stride(from: chunk, to: sequences.count, by: chunkCount) {
        choose(for: sequences[index], logits, at: desks[chunk])
      }
    }
  }

  private func choose<Cache>(
    for sequence: ActiveSequence<Cache>, _ logits: borrowing FloatMatrix, at desk: Desk
  ) {
    sequence.choices = sequence.state.choose(
      logits, from: sequence.firstRow, drafts: sequence.draft?.tokens ?? [],
      workspace: &desk.workspace)
  }
}
