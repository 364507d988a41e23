import Inference
import ModelFiles
import Tokenization

/// Shows tokens and their probabilities to clients.
struct TokenNames: Sendable {
  let tokenizer: Tokenizer

  /// What a token writes; its name when it writes nothing; U+FFFD for parts of characters.
  func text(_ token: TokenID) -> String {
    let bytes = tokenizer.bytes(of: token)
    return bytes.isEmpty ? tokenizer.name(of: token) : String(decoding: bytes, as: UTF8.self)
  }

  /// `logprobs.content` of chat completions.
  func content(_ entries: [TokenLogProbabilities]) -> JSONValue {
    .array(
      entries.map { entry in
        var members = members(entry.chosen)
        members.add("top_logprobs", .array(entry.top.map { .object(self.members($0)) }))
        return .object(members)
      })
  }

  private func members(_ entry: TokenLogProbabilities.Entry) -> JSONObject {
    let bytes = tokenizer.bytes(of: entry.token)
    return JSONObject([
      ("token", .string(text(entry.token))),
      ("logprob", Self.number(entry.logProbability)),
      ("bytes", .array(bytes.map { .integer(Int($0)) })),
    ])
  }

  /// `logprobs` of legacy completions; `offset` is where the first token's text starts.
  func legacy(_ entries: [TokenLogProbabilities], offset: inout Int) -> JSONValue {
    var offsets: [JSONValue] = []
    for entry in entries {
      offsets.append(.integer(offset))
      offset += text(entry.chosen.token).unicodeScalars.count
    }
    return [
      "tokens": .array(entries.map { .string(text($0.chosen.token)) }),
      "token_logprobs": .array(entries.map { Self.number($0.chosen.logProbability) }),
      "top_logprobs": .array(
        entries.map { entry in
          // The chosen one is always told, as by OpenAI. Different tokens may look the same, as parts
          // of characters do: the best one counts.
          let isTop = entry.top.contains { $0.token == entry.chosen.token }
          let shown = isTop ? entry.top : entry.top + [entry.chosen]
          return .object(
            JSONObject(shown.map { (text($0.token), Self.number($0.logProbability)) }))
        }),
      "text_offset": .array(offsets),
    ]
  }

  /// JSON has no infinity; OpenAI writes -9999 for what cannot be.
  private static func number(_ value: Float) -> JSONValue {
    value.isFinite ? .number(Double("\(value)") ?? Double(value)) : .number(-9999)
  }
}
