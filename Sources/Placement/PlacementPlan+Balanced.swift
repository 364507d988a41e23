public import Experts

extension PlacementPlan {
  /// Spreads all groups over `workers`, one replica each, so that no worker is slower than it
  /// must be.
  ///
  /// A worker gets whole columns (the same group in every layer) as long as they fit, so that a
  /// token's fan-out stays small and a worker's files are read in few places; what does not fit as
  /// a column is placed layer by layer, and so are shared experts, each to the worker that is then done
  /// soonest with what a row uses of its layer. Workers beyond the number of groups may stay spare.
  /// Equal input gives equal plans, whatever the order of `workers`.
  ///
  /// - Throws: `PlacementError` with the numbers when the experts do not fit.
  public static func balanced(
    _ geometry: ExpertGeometry, over workers: [WorkerCapacity], epoch: UInt64
  ) throws(PlacementError) -> PlacementPlan {
    guard !workers.isEmpty else { throw .noWorkers }
    let needed = geometry.byteCount
    let offered = workers.reduce(0) { sum, worker in
      let (total, overflow) = sum.addingReportingOverflow(worker.memoryByteCount)
      return overflow ? .max : total
    }
    guard needed <= offered else {
      throw .tooLarge(
        neededByteCount: needed, offeredByteCount: offered, workerCount: workers.count)
    }
    let columns = PlacementBalancer(geometry, workers)
    if let plan = columns.plan(epoch: epoch, byColumns: true) { return plan }
    if let plan = columns.plan(epoch: epoch, byColumns: false) { return plan }
    throw .fragmented(
      groupByteCount: columns.largestUnit, neededByteCount: needed, offeredByteCount: offered)
  }
}

/// The bytes given to one worker so far.
private struct Load {
  private(set) var total = 0
  private var layers: [Int]
  private let firstLayer: Int

  init(layers: Range<Int>) {
    self.layers = Array(repeating: 0, count: layers.count)
    firstLayer = layers.lowerBound
  }

  mutating func add(_ size: Int, _ layer: LayerIndex) {
    total += size
    layers[layer.rawValue - firstLayer] += size
  }

  /// What the loads would be with `size` bytes more in `layer`.
  func adding(_ size: Int, _ layer: LayerIndex) -> (layer: Int, total: Int) {
    (layers[layer.rawValue - firstLayer] + size, total + size)
  }
}

/// Greedy: the largest piece first, each to the worker that would read its bytes soonest.
///
/// Workers of a layer wait for one another, so single units balance their layer first.
private struct PlacementBalancer {
  private let geometry: ExpertGeometry
  private let workers: [WorkerCapacity]
  private let sizes: [PlacementUnit: Int]
  private let units: [PlacementUnit]

  init(_ geometry: ExpertGeometry, _ workers: [WorkerCapacity]) {
    self.geometry = geometry
    self.workers = workers.sorted { $0.worker < $1.worker }
    units = PlacementPlan(epoch: 0, geometry: geometry).units
    sizes = Dictionary(
      uniqueKeysWithValues: units.map { ($0, geometry.byteCount($0.layer, $0.group)) })
  }

  var largestUnit: Int { sizes.values.max() ?? 0 }

  /// A plan, or nil when some unit finds no room.
  func plan(epoch: UInt64, byColumns: Bool) -> PlacementPlan? {
    var plan = PlacementPlan(epoch: epoch, geometry: geometry)
    var loads = workers.map { _ in Load(layers: geometry.moeLayers) }
    let routed = units.filter { !geometry.isShared($0.group) }
    let rest = byColumns ? placeColumns(routed, &plan, &loads) : routed
    for unit in rest.sorted(by: isBefore) {
      let size = size(unit)
      let fitting = workersWithRoom(for: size, loads)
      let worker = fitting.min { left, right in
        let (a, b) = (loads[left].adding(size, unit.layer), loads[right].adding(size, unit.layer))
        return (seconds(left, a.layer), seconds(left, a.total))
          < (seconds(right, b.layer), seconds(right, b.total))
      }
      guard let worker else { return nil }
      loads[worker].add(size, unit.layer)
      plan[unit.layer, unit.group] = [workers[worker].worker]
    }
    return placeShared(&plan, &loads) ? plan : nil
  }

  /// Places the shared experts of every layer; false when some find no room.
  private func placeShared(_ plan: inout PlacementPlan, _ loads: inout [Load]) -> Bool {
    guard let group = geometry.sharedGroup else { return true }
    var total = workers.map { _ in 0.0 }  // seconds, of shared experts in all layers so far
    for layer in geometry.layers {
      let size = geometry.byteCount(layer, group)
      let reading = workers.map { worker in
        geometry.groups.reduce(0) { sum, group in
          let isHeld = plan[layer, group].contains(worker.worker)
          return sum + (isHeld ? geometry.readWeight(layer, group) : 0)
        }
      }
      func seconds(_ worker: Int) -> Double {
        (reading[worker] + geometry.readWeight(layer, group)) / workers[worker].bytesPerSecond
      }
      let best = workersWithRoom(for: size, loads).min {
        (seconds($0), total[$0]) < (seconds($1), total[$1])
      }
      guard let best else { return false }
      loads[best].add(size, layer)
      total[best] += Double(size) / workers[best].bytesPerSecond
      plan[layer, group] = [workers[best].worker]
    }
    return true
  }

  /// Places every column that fits one worker whole; returns the units of the others.
  private func placeColumns(
    _ units: [PlacementUnit], _ plan: inout PlacementPlan, _ loads: inout [Load]
  ) -> [PlacementUnit] {
    let columns = Dictionary(grouping: units, by: \.group).sorted { $0.key < $1.key }.map(\.value)
    let ordered = columns.map { (units: $0, size: $0.reduce(0) { $0 + size($1) }) }
      .enumerated().sorted { ($1.element.size, $0.offset) < ($0.element.size, $1.offset) }
    var rest: [PlacementUnit] = []
    for (_, column) in ordered {
      let fitting = workersWithRoom(for: column.size, loads)
      let worker = fitting.min {
        seconds($0, loads[$0].total + column.size) < seconds($1, loads[$1].total + column.size)
      }
      guard let worker else {
        rest += column.units
        continue
      }
      for unit in column.units {
        loads[worker].add(size(unit), unit.layer)
        plan[unit.layer, unit.group] = [workers[worker].worker]
      }
    }
    return rest
  }

  private func workersWithRoom(for size: Int, _ loads: [Load]) -> [Int] {
    workers.indices.filter { workers[$0].memoryByteCount - loads[$0].total >= size }
  }

  private func seconds(_ worker: Int, _ byteCount: Int) -> Double {
    Double(byteCount) / workers[worker].bytesPerSecond
  }

  private func size(_ unit: PlacementUnit) -> Int { sizes[unit] ?? 0 }

  /// Large units first, then group by group, so that neighbours in a column stay together.
  private func isBefore(_ left: PlacementUnit, _ right: PlacementUnit) -> Bool {
    let (a, b) = (size(left), size(right))
    if a != b { return a > b }
    return (left.group, left.layer) < (right.group, right.layer)
  }
}
