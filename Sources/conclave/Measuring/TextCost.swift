import DeepSeek
import Inference
import Tensors
import Tokenization

/// What text costs around a decode step: tokenizer, sampler and detokenizer, per token.
struct TextCost {
  let vocabularySize: Int
  /// Choosing the most probable token.
  let greedy: Duration
  /// Drawing with temperature and top-p.
  let sampled: Duration
  let tokenizing: Duration
  let detokenizing: Duration

  private static let draws = 41
  private static let textTokens = 2000

  /// Measures with the first row of `logits`; nil without a tokenizer.
  init?(_ session: ModelSession, _ logits: borrowing FloatMatrix) throws {
    guard let tokenizer = try? session.tokenizer() else { return nil }
    vocabularySize = session.configuration.vocabularySize
    greedy = try Self.draw(SamplingParameters(temperature: 0), logits)
    sampled = try Self.draw(SamplingParameters(temperature: 0.8, topP: 0.95, seed: 1), logits)
    var random = SampleTokens()
    let tokens = random.next(Self.textTokens, of: tokenizer.vocabularySize)
    var decoder = StreamDecoder(tokenizer)
    var text = ""
    detokenizing =
      ContinuousClock().measure { for token in tokens { text += decoder.append(token) } }
      / tokens.count
    var count = 0
    tokenizing =
      ContinuousClock().measure { count = tokenizer.encode(text, addBOS: false).count }
      / max(count, 1)
  }

  /// The median time of a draw.
  private static func draw(
    _ parameters: SamplingParameters, _ logits: borrowing FloatMatrix
  ) throws -> Duration {
    var sampler = try Sampler(
      parameters, tokens: SampleableTokens(vocabularySize: logits.columns))
    var workspace = SamplerWorkspace(vocabularySize: logits.columns)
    var times: [Duration] = []
    for _ in 0..<draws {
      let start = ContinuousClock.now
      _ = try sampler.sample(logits.row(0), workspace: &workspace)
      times.append(ContinuousClock.now - start)
    }
    return times.sorted()[draws / 2]
  }

  private func total(_ draw: Duration) -> Duration { draw + tokenizing + detokenizing }

  func lines(step: Duration?) -> [String] {
    var table = Table(
      ["text, per token of \(vocabularySize)", "time", "share of a step"], rightAligned: [1, 2])
    func add(_ name: String, _ time: Duration) {
      let share = step.map { "\(Quantity.number(100 * (time / $0))) %" } ?? ""
      table.add([name, Quantity.time(time), share])
    }
    add("tokenizer", tokenizing)
    add("sampler, greedy", greedy)
    add("sampler, temperature 0.8, top-p 0.95", sampled)
    add("detokenizer", detokenizing)
    add("together, greedy", total(greedy))
    add("together, sampled", total(sampled))
    return table.lines(style: .results)
  }

  func json(step: Duration?) -> JSONText {
    func microseconds(_ time: Duration) -> JSONText { .number(time / .microseconds(1)) }
    func share(_ draw: Duration) -> JSONText { step.map { .number(total(draw) / $0) } ?? .null }
    return .object([
      ("vocabulary", .integer(vocabularySize)),
      ("tokenizerMicroseconds", microseconds(tokenizing)),
      ("greedyMicroseconds", microseconds(greedy)),
      ("sampledMicroseconds", microseconds(sampled)),
      ("detokenizerMicroseconds", microseconds(detokenizing)),
      ("shareGreedy", share(greedy)), ("shareSampled", share(sampled)),
    ])
  }
}
