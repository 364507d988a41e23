import Planning
import Yams

/// A YAML file with the machines of a cluster: `--hosts FILE`.
///
/// ```yaml
/// coordinator: { name: a, memory: 64GiB, cores: 16, bandwidth: 80 GB/s }
/// workers:
///   - { name: b, count: 3, memory: 64GiB, cores: 16, bandwidth: 80 GB/s, price: 0.50 }
/// link: { bandwidth: 10 Gbit/s, rtt: 0.1 ms }
/// ```
struct HostsFile {
  private let path: String
  /// What a host without a link of its own has.
  private var defaultLink = LinkDescription(bytesPerSecond: 125e6, roundTripSeconds: 200e-6)

  /// Most hosts of a file, so that a slip of the finger stays cheap.
  static let maximumHostCount = 4096

  /// Reads a file.
  ///
  /// - Throws: `CommandFailure` that names the file, the line, and what is wrong.
  static func read(_ path: String) throws -> ClusterDescription {
    try cluster(in: TextFile.read(path), path: path)
  }

  /// Reads the text of a file.
  static func cluster(in text: String, path: String) throws -> ClusterDescription {
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch {
      throw CommandFailure("\(path): this is no YAML: \(error)")
    }
    var file = HostsFile(path: path)
    return try file.cluster(root)
  }

  private init(path: String) { self.path = path }

  private mutating func cluster(_ root: Node?) throws -> ClusterDescription {
    guard let root, root.mapping != nil else {
      throw CommandFailure(
        "\(path): there is no coordinator; write `coordinator:` and `workers:` with machines as "
          + "`conclave worker --describe` prints them")
    }
    let settings = try Settings(
      root, path: path, names: ["coordinator", "workers", "link", "electricity", "currency"])
    if let link = settings["link"] { defaultLink = try self.link(link, instead: defaultLink) }
    let coordinators = try hosts(settings["coordinator"], kind: "coordinator")
    guard coordinators.count == 1, let coordinator = coordinators.first else {
      throw CommandFailure("\(path): there must be one coordinator, not \(coordinators.count)")
    }
    let workers = try hosts(settings["workers"], kind: "worker")
    guard workers.count <= Self.maximumHostCount else {
      throw CommandFailure(
        "\(path): \(workers.count) workers are more than \(Self.maximumHostCount)")
    }
    return ClusterDescription(
      coordinator: coordinator, workers: workers,
      pricePerKilowattHour: try settings.number("electricity", in: 0...1e6),
      currency: settings["currency"]?.scalar?.string ?? "USD")
  }

  /// A list of machines, or one.
  private func hosts(_ node: Node?, kind: String) throws -> [HostDescription] {
    guard let node else { return [] }
    var hosts: [HostDescription] = []
    for item in node.sequence.map(Array.init) ?? [node] {
      let settings = try Settings(item, path: path, names: Self.hostSettings)
      let count = try settings.number("count", in: 1...Double(Self.maximumHostCount)) ?? 1
      let host = try self.host(settings, number: hosts.count + 1, kind: kind)
      for index in 0..<Int(count) {
        var copy = host
        if count > 1 { copy.name += "-\(index + 1)" }
        hosts.append(copy)
      }
    }
    return hosts
  }

  private static let hostSettings = [
    "name", "count", "memory", "cores", "bandwidth", "compute", "float-compute", "attention",
    "machine", "price", "power", "link",
  ]

  private func host(_ settings: Settings, number: Int, kind: String) throws -> HostDescription {
    let memory = try settings.text("memory")
    guard let size = ByteCount(argument: memory), size.isPlausible else {
      throw settings.problem("memory", "must be a size like 64GiB, not \(memory)")
    }
    guard let bandwidth = try settings.measure("bandwidth", .bandwidth) else {
      throw settings.problem(nil, "a \(kind) needs its bandwidth of memory, like 48 GB/s")
    }
    var host = HostDescription(
      name: settings["name"]?.scalar?.string ?? "\(kind)-\(number)", memory: size.bytes,
      cores: Int(try settings.number("cores", in: 1...4096) ?? 1), bytesPerSecond: bandwidth,
      link: defaultLink)
    host.integerProductsPerSecond =
      try settings.measure("compute", .rate) ?? host.integerProductsPerSecond
    host.floatProductsPerSecond =
      try settings.measure("float-compute", .rate) ?? host.floatProductsPerSecond
    host.attentionSeconds = try settings.measure("attention", .duration) ?? host.attentionSeconds
    host.machine = settings["machine"]?.scalar?.string
    host.pricePerHour = try settings.number("price", in: 0...1e9)
    host.watts = try settings.number("power", in: 0...1e9)
    if let link = settings["link"] { host.link = try self.link(link, instead: defaultLink) }
    return host
  }

  private func link(_ node: Node, instead other: LinkDescription) throws -> LinkDescription {
    let settings = try Settings(node, path: path, names: ["bandwidth", "rtt", "software"])
    var link = other
    link.bytesPerSecond = try settings.measure("bandwidth", .bandwidth) ?? link.bytesPerSecond
    link.roundTripSeconds =
      try settings.measure("rtt", .duration, allowsZero: true) ?? link.roundTripSeconds
    link.softwareSeconds =
      try settings.measure("software", .duration, allowsZero: true) ?? link.softwareSeconds
    return link
  }
}

extension HostsFile {
  /// One mapping of the file, whose names are known.
  fileprivate struct Settings {
    private let node: Node
    private let path: String
    private var values: [String: Node] = [:]

    init(_ node: Node, path: String, names: [String]) throws {
      self.node = node
      self.path = path
      guard let mapping = node.mapping else {
        throw problem(nil, "write settings as `name: value`")
      }
      for (key, value) in mapping {
        let name = key.scalar?.string ?? ""
        guard names.contains(name) else {
          throw CommandFailure(
            "\(path), line \(key.mark?.line ?? 1): \"\(name)\" is not one of "
              + names.joined(separator: ", "))
        }
        values[name] = value
      }
    }

    subscript(_ name: String) -> Node? { values[name] }

    func text(_ name: String) throws -> String {
      guard let text = values[name]?.scalar?.string, !text.isEmpty else {
        throw problem(name, "is missing")
      }
      return text
    }

    /// A plain number; nil without one.
    func number(_ name: String, in range: ClosedRange<Double>) throws -> Double? {
      guard let value = values[name] else { return nil }
      guard let number = value.scalar.flatMap({ Double($0.string) }), range.contains(number) else {
        throw problem(
          name,
          "must be a number from \(Quantity.number(range.lowerBound)) to "
            + Quantity.number(range.upperBound))
      }
      return number
    }

    /// A number with a unit; nil without one.
    func measure(
      _ name: String, _ kind: Measure.Kind, allowsZero: Bool = false
    ) throws -> Double? {
      guard let value = values[name] else { return nil }
      guard let measure = value.scalar.flatMap({ Measure($0.string, of: kind) }),
        allowsZero || measure.value > 0
      else { throw problem(name, "must be a \(kind.rawValue) like \(kind.example)") }
      return measure.value
    }

    func problem(_ name: String?, _ text: String) -> CommandFailure {
      let line = (name.flatMap { values[$0] } ?? node).mark?.line ?? 1
      return CommandFailure("\(path), line \(line): \(name.map { "\($0) " } ?? "")\(text)")
    }
  }
}
