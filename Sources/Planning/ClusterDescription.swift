/// The machines of a cluster and what connects them.
public struct ClusterDescription: Sendable, Hashable {
  /// The machine that holds the trunk and the cache.
  public var coordinator: HostDescription
  /// The machines that hold routed experts; none: the coordinator does.
  public var workers: [HostDescription]
  /// What one kilowatt-hour costs, in `currency`; nil when only hourly prices count.
  public var pricePerKilowattHour: Double?
  /// The unit of all prices.
  public var currency: String

  /// Collects the machines.
  public init(
    coordinator: HostDescription, workers: [HostDescription], pricePerKilowattHour: Double? = nil,
    currency: String = "USD"
  ) {
    self.coordinator = coordinator
    self.workers = workers
    self.pricePerKilowattHour = pricePerKilowattHour
    self.currency = currency
  }

  /// All machines, the coordinator first.
  public var hosts: [HostDescription] { [coordinator] + workers }

  /// What all machines cost in an hour; nil when nothing about prices is known.
  public var pricePerHour: Double? {
    let known = hosts.contains { $0.pricePerHour != nil }
    let power = pricePerKilowattHour.map { price in
      hosts.reduce(0) { $0 + ($1.watts ?? 0) } / 1000 * price
    }
    guard known || (power ?? 0) > 0 else { return nil }
    return hosts.reduce(power ?? 0) { $0 + ($1.pricePerHour ?? 0) }
  }
}

/// What one machine, or one process of a machine, brings.
public struct HostDescription: Sendable, Hashable {
  /// What people call it.
  public var name: String
  /// Bytes that it may use for weights and cache.
  public var memoryByteCount: Int
  /// Processors.
  public var coreCount: Int
  /// Bytes of memory per second that all processors read together.
  public var bytesPerSecond: Double
  /// Products of 8-bit numbers per second that the matrix kernels form, all processors together.
  public var integerProductsPerSecond: Double
  /// Products of floats per second that the matrix kernels form, all processors together.
  public var floatProductsPerSecond: Double
  /// Seconds that attention takes for one head and one position, all processors together, with a
  /// cache of halves.
  public var attentionSeconds: Double
  /// The connection of this machine: a worker's to the coordinator, the coordinator's own port.
  public var link: LinkDescription
  /// Processes with the same machine share its processors and memory; nil: a machine of its own.
  public var machine: String?
  /// What an hour costs.
  public var pricePerHour: Double?
  /// What it draws.
  public var watts: Double?

  /// A machine whose kernels are as fast as usual for its processors, unless told otherwise.
  ///
  /// - Parameters:
  ///   - name: What people call it.
  ///   - memory: Bytes for weights and cache.
  ///   - cores: Processors.
  ///   - bytesPerSecond: Read bandwidth of memory.
  ///   - link: Its connection.
  public init(
    name: String, memory: Int, cores: Int, bytesPerSecond: Double, link: LinkDescription = .loopback
  ) {
    self.name = name
    memoryByteCount = memory
    coreCount = cores
    self.bytesPerSecond = bytesPerSecond
    self.link = link
    let count = Double(max(cores, 1))
    integerProductsPerSecond = Self.usualIntegerProducts * count
    floatProductsPerSecond = Self.usualFloatProducts * count
    attentionSeconds = Self.usualAttentionSeconds / count
  }

  /// What one processor with AVX2 is good for where nothing was measured: about 80 and 20 billion
  /// products a second, 25 ns for a head and position.
  static let usualIntegerProducts = 80e9
  static let usualFloatProducts = 20e9
  static let usualAttentionSeconds = 25e-9
}

/// A network connection between a worker and the coordinator.
public struct LinkDescription: Sendable, Hashable {
  /// Bytes per second in each direction.
  public var bytesPerSecond: Double
  /// Seconds that a small message takes there and back, as `ping` or a raw socket shows.
  public var roundTripSeconds: Double
  /// Seconds that software on both ends adds to a call: sockets, wake-ups, copies.
  public var softwareSeconds: Double

  /// A connection with the usual cost of software.
  public init(
    bytesPerSecond: Double, roundTripSeconds: Double,
    softwareSeconds: Double = LinkDescription.usualSoftwareSeconds
  ) {
    self.bytesPerSecond = bytesPerSecond
    self.roundTripSeconds = roundTripSeconds
    self.softwareSeconds = softwareSeconds
  }

  /// What a call costs in software, measured on two Zen 5 cores over loopback.
  public static let usualSoftwareSeconds = 60e-6

  /// Within one machine.
  public static let loopback = LinkDescription(bytesPerSecond: 2.5e9, roundTripSeconds: 0)
}
