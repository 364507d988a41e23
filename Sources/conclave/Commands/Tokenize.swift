import ArgumentParser
import Foundation
import ModelFiles
import Tokenization

/// Text on standard input, token ids on standard output.
struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints the token ids of the text on standard input.",
    discussion: "The ids are printed in the form that --tokens of other commands takes.")

  @Argument(help: "A GGUF file, also a vocabulary-only one, or a Hugging Face folder.")
  var model: String

  @Flag(name: .customLong("no-bos"), help: "Leave out the begin-of-sequence token.")
  var withoutBOS = false

  @Flag(
    name: .customLong("no-special"),
    help: "Read the text of special tokens as ordinary text.")
  var withoutSpecials = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let tokenizer = try Tokenizer(ModelArchive.open(model))
    let input = try FileHandle.standardInput.readToEnd() ?? Data()
    guard let text = String(validating: input, as: UTF8.self) else {
      throw CommandFailure("standard input is not UTF-8; convert the text first")
    }
    let tokens = tokenizer.encode(
      text, specials: !withoutSpecials, addBOS: tokenizer.addsBOS && !withoutBOS)
    if json {
      try Output.json(["tokens": .integers(tokens)])
    } else {
      try Output.line(tokens.map(String.init).joined(separator: ","))
    }
  }
}
