import Experts
package import Messages
import Placement

// MARK: - Workers that do not get on with loading

extension Membership {
  /// How long a worker may take for a group, or for a part of it that it is sent, besides the time that
  /// reading one takes.
  private static let loadPatience: Duration = .seconds(2)
  /// Bytes per second below which reading counts as standing still.
  private static let leastBytesPerSecond = 50e6

  /// Notes who gets on with loading and who does not: a disk or a link may stand still while everything
  /// else about the worker is well.
  ///
  /// - Returns: Whether somebody has just been found not to.
  mutating func noteStalls(at time: Duration) -> Bool {
    guard phase == .serving, rules.geometry != nil else { return false }
    var hasChanged = false
    for index in members.indices where members[index].lostReason == nil {
      guard !members[index].units.isEmpty, !hasLoaded(members[index]) else {
        members[index].lastGain = nil
        members[index].requested = [:]
        members[index].isStalled = false
        continue
      }
      let count = members[index].progress?.loadedGroups ?? 0
      guard let last = members[index].lastGain, last.loadedGroups == count else {
        members[index].lastGain = Member.Gain(loadedGroups: count, at: time)
        members[index].requested = [:]
        members[index].isStalled = false
        continue
      }
      guard !members[index].isStalled, time - last.at > loadLimit else { continue }
      members[index].isStalled = true
      hasChanged = true
    }
    return hasChanged
  }

  /// A worker asks for bytes of the model, which it does when others have come.
  ///
  /// It gets on, however small its share of a link is by which many load. To ask for the same again is
  /// no gain.
  package mutating func note(
    _ request: ChunkRequest, from incarnation: Incarnation, at time: Duration
  ) {
    guard
      let index = members.firstIndex(where: {
        $0.incarnation == incarnation && $0.lostReason == nil
      }), request.offset > members[index].requested[request.unit] ?? -1
    else { return }
    members[index].requested[request.unit] = request.offset
    members[index].lastGain?.at = time
    members[index].isStalled = false
  }

  /// How long a worker may take for the largest group of `geometry`.
  static func loadLimit(_ geometry: ExpertGeometry?) -> Duration {
    let largest = geometry.flatMap { geometry in
      geometry.layers.flatMap { layer in
        geometry.groups.map { geometry.byteCount(layer, $0) }
      }.max()
    }
    return loadPatience + .seconds(Double(largest ?? 0) / leastBytesPerSecond)
  }

  /// What stalled workers shall hold and have not loaded.
  var stalled: [WorkerID: Set<PlacementUnit>] {
    var stalled: [WorkerID: Set<PlacementUnit>] = [:]
    for member in members where member.isStalled && member.lostReason == nil {
      stalled[member.id] = Set(member.units).subtracting(member.loaded)
    }
    return stalled
  }
}
