import DeepSeek
import Kernels
import ModelFiles
import Planning

/// A model's overview as lines for people.
struct InspectionReport {
  private let overview: ModelOverview
  private let vocabulary: Int
  private let style = Style.results

  init(_ overview: ModelOverview, vocabulary: Int) {
    self.overview = overview
    self.vocabulary = vocabulary
  }

  var lines: [String] {
    let archive = overview.archive
    let files = archive.filePaths.count
    let size = Quantity.bytes(archive.fileByteCount)
    var lines = [
      style.bold(archive.path),
      fact("architecture", archive.architecture.rawValue),
      fact("files", files == 1 ? size : "\(size) in \(files) parts"),
      fact("digest", "\(archive.digest)"),
      fact("vocabulary", "\(vocabulary) tokens"),
    ]
    guard let configuration = overview.configuration else {
      return lines + ["", "A vocabulary without weights: it can be tokenized with, not run."]
    }
    lines += shape(configuration) + [""] + partTable() + [""] + memory(configuration)
    return lines
  }

  private func fact(_ name: String, _ value: String) -> String {
    "  " + style.dim(name + String(repeating: " ", count: max(1, 15 - name.count))) + value
  }

  private func shape(_ configuration: ModelConfiguration) -> [String] {
    let all = Quantity.count(overview.parameters)
    let active = Quantity.count(overview.activeParameters)
    var lines = [
      fact("parameters", configuration.mixture == nil ? all : "\(all), \(active) active per token"),
      fact("layers", "\(configuration.layerCount), width \(configuration.hiddenSize)"),
      fact("attention", attention(configuration.attention)),
      fact("context", "\(configuration.contextLength) tokens"),
    ]
    if let mixture = configuration.mixture {
      let groups = mixture.routing.groupCount
      let layers =
        overview.mixtureLayers == 1 ? "one layer" : "each of \(overview.mixtureLayers) layers"
      let grouping =
        groups > 1 ? " from \(mixture.routing.selectedGroupCount) of \(groups) groups" : ""
      lines.append(
        fact(
          "experts",
          "\(mixture.expertCount) in \(layers), "
            + "\(mixture.expertsPerToken) per token\(grouping), \(mixture.sharedExpertCount) shared"
        ))
    }
    return lines
  }

  private func attention(_ design: AttentionDesign) -> String {
    switch design {
    case .latent(let shape):
      "latent, \(shape.headCount) heads, cache of \(shape.kvLoraRank) + \(shape.ropeHeadSize)"
        + " numbers per layer"
    case .groupedQuery(let shape):
      "\(shape.headCount) heads, \(shape.kvHeadCount) key-value heads of \(shape.headSize)"
    }
  }

  private func partTable() -> [String] {
    var table = Table(
      ["part", "tensors", "parameters", "bytes", "formats"], rightAligned: [1, 2, 3])
    for part in overview.parts {
      table.add([
        part.part.rawValue, "\(part.tensors)", Quantity.count(part.parameters),
        Quantity.bytes(part.bytes), part.formats.joined(separator: " "),
      ])
    }
    return table.lines(style: style, indent: 2)
  }

  private func memory(_ configuration: ModelConfiguration) -> [String] {
    let cache = KVFormat.allCases.map {
      "\(Quantity.bytes(overview.cacheBytesPerToken($0))) as \($0.rawValue)"
    }
    var lines = [
      style.bold("Memory"),
      fact("coordinator", "\(Quantity.bytes(overview.trunkBytes)) plus the cache"),
      fact("cache", "for each token of context " + cache.joined(separator: ", ")),
    ]
    guard configuration.mixture != nil else { return lines }
    let routed = overview.routed?.bytes ?? 0
    let shares = [1, 2, 4, 8].map { count in
      "\(count): \(Quantity.bytes((routed + count - 1) / count))"
    }
    lines.append(fact("each worker of", shares.joined(separator: "   ")))
    lines.append(fact("one expert", Quantity.bytes(overview.bytesPerExpert)))
    return lines
  }
}
