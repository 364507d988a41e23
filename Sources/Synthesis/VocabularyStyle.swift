/// Which family's special tokens and pre-tokenizer a vocabulary has.
public enum VocabularyStyle: Sendable {
  case llm
  case coder
  case v2
  case v3
  case kimi

  /// The pre-tokenizer's name in GGUF.
  var preTokenizer: String {
    switch self {
    case .llm, .v2: "deepseek-llm"
    case .coder: "deepseek-coder"
    case .v3: "deepseek-v3"
    case .kimi: "kimi-k2"
    }
  }

  var beginID: Int {
    switch self {
    case .llm, .v2: 100_000
    case .coder: 32013
    case .v3: 0
    case .kimi: 163_584
    }
  }

  var endID: Int { beginID + 1 }

  /// Where place holders start that no text needs.
  var paddingStart: Int {
    switch self {
    case .llm, .v2: 100_018
    case .coder: 32022
    case .v3: 128_815
    case .kimi: 163_840
    }
  }

  /// Control tokens by id.
  var controls: [Int: String] {
    switch self {
    case .llm: Self.sentence(at: 100_000)
    case .v2: Self.merged([Self.sentence(at: 100_000), Self.fill(at: 100_002), Self.v2Chat])
    case .coder: Self.merged([Self.sentence(at: 32013), Self.fill(at: 32015), Self.coderChat])
    case .v3:
      Self.merged([
        Self.sentence(at: 0), [2: "<｜▁pad▁｜>"], Self.fill(at: 128_800), Self.v3Chat,
      ])
    case .kimi: Self.kimiChat
    }
  }

  private static func sentence(at id: Int) -> [Int: String] {
    [id: "<｜begin▁of▁sentence｜>", id + 1: "<｜end▁of▁sentence｜>"]
  }

  private static func fill(at id: Int) -> [Int: String] {
    [id: "<｜fim▁hole｜>", id + 1: "<｜fim▁begin｜>", id + 2: "<｜fim▁end｜>"]
  }

  private static func merged(_ parts: [[Int: String]]) -> [Int: String] {
    parts.reduce(into: [:]) { all, part in all.merge(part) { _, new in new } }
  }

  private static func tools(at id: Int) -> [Int: String] {
    let names = [
      "tool▁calls▁begin", "tool▁calls▁end", "tool▁call▁begin", "tool▁call▁end",
      "tool▁outputs▁begin", "tool▁outputs▁end", "tool▁output▁begin", "tool▁output▁end", "tool▁sep",
    ]
    return Dictionary(
      uniqueKeysWithValues: names.enumerated().map { (id + $0.offset, "<｜\($0.element)｜>") })
  }

  private static let v2Chat = merged([
    [100_006: "<｜User｜>", 100_007: "<｜Assistant｜>", 100_008: "<|EOT|>"], tools(at: 100_009),
  ])

  private static let v3Chat = merged([
    [
      128_798: "<think>", 128_799: "</think>", 128_803: "<｜User｜>", 128_804: "<｜Assistant｜>",
      128_805: "<|EOT|>",
    ], tools(at: 128_806),
  ])

  private static let coderChat = [
    32018: "<pad>", 32019: "<|User|>", 32020: "<|Assistant|>", 32021: "<|EOT|>",
  ]

  private static let kimiChat = [
    163_584: "[BOS]", 163_585: "[EOS]", 163_586: "<|im_end|>", 163_587: "<|im_user|>",
    163_588: "<|im_assistant|>", 163_593: "[EOT]", 163_594: "<|im_system|>",
    163_601: "<|im_middle|>", 163_838: "[UNK]", 163_839: "[PAD]",
  ]
}
