import Inference
import ModelFiles
import Synchronization
import Tensors
import TestSupport
import Tokenization

/// A model that answers every prompt with the same tokens, then with its stop token for ever.
final class ScriptedModel: LanguageModel {
  final class Cache: SequenceCache {
    var tokens: [TokenID] = []
    var answered = 0

    var length: Int { tokens.count }

    func truncate(to length: Int) {
      tokens.removeSubrange(length...)
      answered = 0
    }
  }

  /// What a test wants to know of the steps.
  final class Log: Sendable {
    private let steps = Mutex<[[TokenID]]>([])

    func append(_ tokens: [TokenID]) { steps.withLock { $0.append(tokens) } }

    /// The tokens of every step.
    var all: [[TokenID]] { steps.withLock { $0 } }
  }

  let vocabularySize: Int
  let contextLength: Int
  let maxStepRows: Int
  private let answer: [TokenID]
  private let stop: TokenID
  private let margin: Float
  private let log: Log
  private let beforeStep: @Sendable (Int) throws -> Void
  private var stepCount = 0

  /// `margin` is how far the logit of the next token is above the others; `beforeStep` is called
  /// with the number of the step and may block or throw.
  init(
    answer: [TokenID], tokenizer: Tokenizer, contextLength: Int = 4096, maxStepRows: Int = 16,
    margin: Float = 20, log: Log = Log(),
    beforeStep: @escaping @Sendable (Int) throws -> Void = { _ in }
  ) {
    self.answer = answer
    vocabularySize = tokenizer.vocabularySize + 3
    stop = tokenizer.stopTokens.min() ?? 0
    self.contextLength = contextLength
    self.maxStepRows = maxStepRows
    self.margin = margin
    self.log = log
    self.beforeStep = beforeStep
  }

  func makeCache(capacity: Int) -> Cache { Cache() }

  func forward(
    _ tokens: Span<TokenID>, cache: Cache, wanted: WantedLogits, logits: inout FloatMatrix
  ) throws {
    let tokens = tokens.indices.map { tokens[$0] }
    precondition(!tokens.isEmpty && tokens.count <= maxStepRows)
    stepCount += 1
    try beforeStep(stepCount - 1)
    log.append(tokens)
    cache.tokens += tokens
    switch wanted {
    case .none: break
    case .last:
      let next = cache.answered < answer.count ? answer[cache.answered] : stop
      cache.answered += 1
      favour(next, in: &logits, row: 0)
    case .all:
      for row in tokens.indices { favour(tokens[row], in: &logits, row: row) }
    }
  }

  /// Gives padding the highest logit of all, which must not matter.
  private func favour(_ token: TokenID, in logits: inout FloatMatrix, row: Int) {
    var row = logits.mutableRow(row)
    for id in 0..<vocabularySize { row[id] = 0 }
    row[Int(token)] = margin
    row[vocabularySize - 1] = margin + 10
  }
}

/// The demo model's tokenizer.
let demoTokenizer: Tokenizer = {
  do {
    return try Tokenizer(ModelArchive.open(Fixtures.demoModel))
  } catch {
    fatalError("\(error)")
  }
}()

/// The tokens of a text without BOS.
func tokens(_ text: String) -> [TokenID] {
  demoTokenizer.encode(text, specials: false, addBOS: false)
}
