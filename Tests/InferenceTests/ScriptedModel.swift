import Inference
import ModelFiles
import Synchronization
import Tensors
import TestSupport
import Tokenization

/// A model that answers every prompt with the same tokens, then with its stop token for ever.
final class ScriptedModel: LanguageModel {
  /// What a test wants to know of the steps.
  final class Log: Sendable {
    private let steps = Mutex<[[TokenID]]>([])

    func append(_ tokens: [TokenID]) { steps.withLock { $0.append(tokens) } }

    /// The tokens of every step, sequence by sequence.
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

  var bytesPerPage: Int { 1024 }

  func makePool(pageCount: Int) -> ScriptedPool { ScriptedPool(pageCount: pageCount) }

  func forward(_ step: TokenBatch<ScriptedCache>, logits: inout FloatMatrix) throws {
    precondition(!step.tokens.isEmpty && step.tokens.count <= maxStepRows)
    stepCount += 1
    try beforeStep(stepCount - 1)
    var row = 0
    for part in step.parts {
      let tokens = Array(step.tokens[part.range])
      log.append(tokens)
      part.cache.append(tokens)
      switch part.wanted {
      case .none: break
      case .last:
        favour(next(after: part.cache.tokens), in: &logits, row: row)
        row += 1
      case .all:
        for token in tokens {
          favour(token, in: &logits, row: row)
          row += 1
        }
      }
    }
  }

  /// The token of the answer after the longest beginning of it with which the sequence ends.
  private func next(after tokens: [TokenID]) -> TokenID {
    let given = (0...min(answer.count, tokens.count)).last {
      tokens.suffix($0) == answer.prefix($0)
    }
    guard let given, given < answer.count else { return stop }
    return answer[given]
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
