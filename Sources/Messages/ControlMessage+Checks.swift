import Experts
import Placement

extension ExpertGeometry {
  /// Refuses a shape beyond the limits of the wire.
  func check() throws(WireError) {
    let checks = FieldChecks(message: "Geometry")
    _ = try checks.integer(hiddenSize, "hidden_size", in: 1...65_536)
    _ = try checks.integer(expertIntermediateSize, "expert_intermediate_size", in: 1...65_536)
    _ = try checks.integer(expertCount, "expert_count", in: 1...65_535)
    _ = try checks.integer(expertsPerToken, "experts_per_token", in: 1...64)
    _ = try checks.integer(groupCount, "group_count", in: 1...WireLimits.groupCount)
    _ = try checks.integer(layerFormats.count, "layers", in: 1...1_024)
    _ = try checks.integer(moeLayers.upperBound, "last layer", in: 1...WireLimits.layerCount)
    guard let shared else { return }
    _ = try checks.integer(shared.intermediateSize, "shared_intermediate_size", in: 1...65_536)
  }

  /// Refuses a number of groups that the experts do not divide into.
  func checkGroups(_ count: Int, _ checks: FieldChecks) throws(ExpertError) {
    guard groupCount == count else {
      throw ExpertError(.geometry, "\(expertCount) experts do not form \(count) groups")
    }
  }
}

extension Assignment {
  /// Refuses too many units, numbers out of range, and units out of order.
  func check(_ checks: FieldChecks) throws(WireError) {
    _ = try checks.integer(units.count, "groups", in: 0...WireLimits.assignedGroupCount)
    var previous: PlacementUnit?
    for unit in units {
      _ = try checks.integer(unit.layer.rawValue, "layer", in: 0...WireLimits.layerCount - 1)
      _ = try checks.integer(unit.group.rawValue, "group", in: 0...WireLimits.groupCount - 1)
      if let previous {
        try checks.require(
          (previous.layer, previous.group) < (unit.layer, unit.group),
          "its groups are not in ascending order")
      }
      previous = unit
    }
  }
}
