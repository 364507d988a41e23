import ArgumentParser
import DeepSeek
import Kernels
import ModelFiles
import Planning
import Tokenization

/// Shows what is in a model file, without loading it.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows a model's configuration, tensors by part, and memory per role.")

  @Argument(help: "A GGUF file, also a vocabulary-only one, or a Hugging Face folder.")
  var model: String

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let archive = try ModelArchive.open(model)
    let configuration = archive.isVocabularyOnly ? nil : try ModelConfiguration(archive)
    let overview = ModelOverview(archive, configuration)
    let vocabulary =
      try configuration?.vocabularySize ?? Tokenizer(archive).vocabularySize
    if json {
      try Output.json([
        "architecture": .string(archive.architecture.rawValue),
        "parameters": .integer(overview.parameters),
        "activeParameters": .integer(overview.activeParameters),
        "routedParameters": .integer(overview.routed?.parameters ?? 0),
        "layers": .integer(configuration?.layerCount ?? 0),
        "experts": .integer(configuration?.mixture?.expertCount ?? 0),
        "expertsPerToken": .integer(configuration?.mixture?.expertsPerToken ?? 0),
        "expertGroups": .integer(configuration?.mixture?.routing.groupCount ?? 0),
        "vocabulary": .integer(vocabulary),
        "contextLength": .integer(configuration?.contextLength ?? 0),
        "fileBytes": .integer(archive.fileByteCount),
        "digest": .string("\(archive.digest)"),
        "parts": .array(overview.parts.map(Self.json)),
        "memory": .object([
          ("coordinatorBytes", .integer(overview.trunkBytes)),
          ("expertsBytes", .integer(overview.routed?.bytes ?? 0)),
          ("bytesPerExpert", .integer(overview.bytesPerExpert)),
          ("cacheBytesPerToken", .integer(overview.cacheBytesPerToken(.float32))),
          (
            "cacheBytesPerTokenByFormat",
            .object(
              KVFormat.allCases.map { ($0.rawValue, .integer(overview.cacheBytesPerToken($0))) })
          ),
        ]),
      ])
    } else {
      for line in InspectionReport(overview, vocabulary: vocabulary).lines {
        try Output.line(line)
      }
    }
  }

  private static func json(_ part: ModelOverview.Part) -> JSONText {
    .object([
      ("part", .string(part.part.rawValue)), ("tensors", .integer(part.tensors)),
      ("parameters", .integer(part.parameters)), ("bytes", .integer(part.bytes)),
      ("formats", .array(part.formats.map(JSONText.string))),
    ])
  }
}
