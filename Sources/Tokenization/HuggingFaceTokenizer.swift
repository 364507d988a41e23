internal import ModelFiles

/// tokenizer.json: the vocabulary and how text is cut.
struct HuggingFaceTokenizer {
  /// The file's path, for errors.
  let path: String
  private let json: JSONValue

  init(path folder: String, json: JSONValue) {
    path = folder + "/tokenizer.json"
    self.json = json
  }

  /// Whether whole pieces are looked up before any merge.
  var ignoresMerges: Bool { json["model"]?["ignore_merges"]?.bool ?? false }

  /// The tokens of `model.vocab` and `added_tokens`, and the merges.
  func vocabulary() throws(ModelFileError) -> Vocabulary {
    let model = json["model"]
    guard model?["type"]?.string == "BPE", let vocab = model?["vocab"]?.object else {
      throw error("the model is not of type BPE with a vocabulary")
    }
    guard json["normalizer"]?.isNull ?? true else {
      throw error("the tokenizer has a normalizer; byte-level tokenizers have none")
    }
    var tokens: [Int: Entry] = Dictionary(minimumCapacity: vocab.count)
    for member in vocab {
      let id = try id(member.value, of: member.key)
      guard tokens.updateValue(Entry(text: member.key, kind: .normal), forKey: id) == nil else {
        throw error("two tokens have the id \(id)")
      }
    }
    try addAddedTokens(to: &tokens)
    return try vocabulary(tokens)
  }

  private struct Entry {
    let text: String
    let kind: TokenKind
  }

  private func addAddedTokens(to tokens: inout [Int: Entry]) throws(ModelFileError) {
    for token in json["added_tokens"]?.array ?? [] {
      guard let text = token["content"]?.string, !text.isEmpty else {
        throw error("an added token has no content")
      }
      for flag in ["lstrip", "rstrip", "single_word"] where token[flag]?.bool ?? false {
        throw error("the added token \(quoted(text)) has \(flag) set, which is not supported")
      }
      let id = try id(token["id"], of: text)
      if let known = tokens[id], !known.text.utf8.elementsEqual(text.utf8) {
        throw error("the tokens \(quoted(known.text)) and \(quoted(text)) have the same id \(id)")
      }
      let isSpecial = token["special"]?.bool ?? false
      tokens[id] = Entry(text: text, kind: isSpecial ? .control : .userDefined)
    }
  }

  private func vocabulary(_ tokens: [Int: Entry]) throws(ModelFileError) -> Vocabulary {
    guard let last = tokens.keys.max() else { throw error("the vocabulary is empty") }
    var texts = StringArray()
    var kinds: [TokenKind] = []
    texts.reserve(count: last + 1)
    for id in 0...last {
      texts.append((tokens[id]?.text ?? "").utf8)
      kinds.append(tokens[id]?.kind ?? .unused)
    }
    let merges = try merges()
    do throws(UnknownMerge) {
      return try Vocabulary(texts: texts, kinds: kinds, merges: merges)
    } catch {
      throw self.error("model.merges: \(error.problem)")
    }
  }

  private func merges() throws(ModelFileError) -> [MergeText] {
    guard let merges = json["model"]?["merges"]?.array else {
      throw error("model.merges is missing")
    }
    var texts: [MergeText] = []
    texts.reserveCapacity(merges.count)
    for merge in merges {
      if let line = merge.string {
        texts.append(MergeText(Array(line.utf8)[...]))
      } else if let pair = merge.array, pair.count == 2, let left = pair[0].string,
        let right = pair[1].string
      {
        texts.append(MergeText(left: Array(left.utf8)[...], right: Array(right.utf8)[...]))
      } else {
        throw error("merge \(texts.count) is neither a text nor a pair of texts")
      }
    }
    return texts
  }

  private func id(_ value: JSONValue?, of text: String) throws(ModelFileError) -> Int {
    guard let id = value?.integer, 0..<1 << 22 ~= id else {
      throw error("the token \(quoted(text)) has no id or one out of range")
    }
    return id
  }

  /// Recognises the pre-tokenizer by its steps.
  func preTokenizer() throws(ModelFileError) -> PreTokenizer {
    let value = json["pre_tokenizer"]
    let steps = value?["pretokenizers"]?.array ?? value.map { [$0] } ?? []
    let signature = steps.map(Self.signature)
    guard
      let preTokenizer = PreTokenizer.allCases.first(where: {
        $0.steps.map { PreTokenizer.unescaped($0) } == signature
      })
    else {
      let known = PreTokenizer.allCases.map(\.rawValue).joined(separator: ", ")
      throw error("the pre-tokenizer is none of those that this build knows (\(known))")
    }
    return preTokenizer
  }

  /// One step as text: an expression, `digits` or `bytes`; anything else matches no known step.
  private static func signature(_ step: JSONValue) -> String {
    switch step["type"]?.string {
    case "Split":
      guard step["behavior"]?.string == "Isolated", step["invert"]?.bool != true else { break }
      let pattern = step["pattern"]
      if let expression = pattern?["Regex"]?.string {
        return PreTokenizer.unescaped(expression)
      }
    case "Digits" where step["individual_digits"]?.bool == true:
      return PreTokenizer.digits
    case "ByteLevel"
    where step["add_prefix_space"]?.bool == false && step["use_regex"]?.bool == false:
      return PreTokenizer.bytes
    default: break
    }
    return "?"
  }

  private func error(_ problem: String) -> ModelFileError {
    ModelFileError(
      file: path, problem, remedy: "download the file again or use a GGUF of the model")
  }
}
