import ArgumentParser
import Foundation
import Tokenization

/// What a model is given to continue.
struct PromptArguments: ParsableArguments {
  @Option(
    name: [.customShort("p"), .long],
    help: ArgumentHelp("The text to continue.", valueName: "text"))
  var prompt: String?

  @Option(
    name: [.customShort("f"), .customLong("prompt-file")],
    help: ArgumentHelp("A file with the text to continue; - is standard input.", valueName: "file"))
  var promptFile: String?

  @Option(
    help: ArgumentHelp(
      "Token ids to continue, separated by commas, taken as they are.", valueName: "ids"))
  var tokens: TokenList?

  @Option(
    help: ArgumentHelp(
      "Fill in the middle: the text after the gap, where the prompt is the one before it.",
      valueName: "text"))
  var suffix: String?

  @Flag(help: "The prompt is a question: ask it in the model's chat format.")
  var chat = false

  @Option(help: ArgumentHelp("With --chat: what the model is told first.", valueName: "text"))
  var system: String?

  @Option(
    name: .customLong("chat-format"),
    help: ArgumentHelp(
      "With --chat: the format, instead of the one that the model asks for.", valueName: "format"))
  var chatFormat: ChatFormat?

  mutating func validate() throws {
    if [prompt != nil, promptFile != nil, tokens != nil].count(where: { $0 }) > 1 {
      throw ValidationError(
        "--prompt, --prompt-file and --tokens exclude each other; give one of them")
    }
    if tokens != nil, chat || suffix != nil {
      throw ValidationError("--tokens are taken as they are; give --prompt with --chat or --suffix")
    }
    if chat, suffix != nil {
      throw ValidationError("--chat and --suffix exclude each other; give one of them")
    }
    if !chat, system != nil || chatFormat != nil {
      throw ValidationError("--system and --chat-format need --chat")
    }
  }

  /// Fails without a prompt.
  ///
  /// Not a part of `validate`, which comes before arguments that nobody knows: a misspelt `--prompt`
  /// shall be called one.
  func check() throws {
    guard prompt != nil || promptFile != nil || tokens != nil else {
      throw ValidationError(
        "there is nothing to continue; give --prompt, --prompt-file or --tokens")
    }
  }

  /// The tokens of the prompt.
  func encode(with tokenizer: Tokenizer) throws -> [TokenID] {
    if let tokens { return tokens.tokens }
    let text = try promptText()
    if let suffix { return try tokenizer.encode(prefix: text, suffix: suffix) }
    guard chat else { return tokenizer.encode(text, specials: true, addBOS: tokenizer.addsBOS) }
    let messages = (system.map { [ChatMessage(.system, $0)] } ?? [])
    return try tokenizer.encode(
      chat: messages + [ChatMessage(.user, text)], format: chatFormat)
  }

  private func promptText() throws -> String {
    if let prompt { return prompt }
    guard let promptFile, promptFile != "-" else {
      return String(decoding: try FileHandle.standardInput.readToEnd() ?? Data(), as: UTF8.self)
    }
    return try TextFile.read(promptFile)
  }
}

/// Text files named on the command line.
enum TextFile {
  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  static func read(_ path: String) throws -> String {
    guard let file = FileHandle(forReadingAtPath: path),
      let data = try? file.readToEnd() ?? Data()
    else {
      throw CommandFailure("\(path): cannot be read; check the name and its permissions")
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw CommandFailure("\(path): is not UTF-8; convert the text first")
    }
    return text
  }
}
