import ArgumentParser
import ModelFiles

/// Writes down what a model's files hold.
struct Manifest: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes the SHA-256 of each mebibyte of a model beside its files.",
    discussion: """
      Reads the whole model once and writes FILE.manifest for each of its files. Wherever such a file \
      lies beside a model, on the coordinator and on workers, no byte is used before it was compared \
      with it: a damaged disk, an incomplete copy or another version is an error that names the place. \
      Without one, only changes made while the model is in use are found. Copy it along with the model.
      """)

  @Argument(help: "A GGUF file (the first part of a split one) or a Hugging Face folder.")
  var model: String

  func run() throws {
    for path in try ModelArchive.open(model).filePaths {
      let bar = ProgressBar("reading \(path)")
      defer { bar.finish() }
      let manifest = try FileManifest.write(for: path) { bar.update($0) }
      try Output.line(
        "\(FileManifest.path(of: path)): \(manifest.chunkCount) chunks, \(manifest.byteCount) bytes"
      )
    }
  }
}
