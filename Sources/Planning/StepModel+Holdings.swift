internal import Experts
internal import Placement

extension StepModel {
  /// Bytes of the experts that the worker with index `worker` holds.
  public func heldByteCount(of worker: Int) -> Int {
    guard let plan, let experts = model.experts else { return 0 }
    return plan.byteCount(of: WorkerID(UInt32(worker)), experts)
  }

  /// Bytes of the experts that nobody but the worker with index `worker` holds.
  public func unreplicatedByteCount(of worker: Int) -> Int {
    guard let plan, let experts = model.experts else { return 0 }
    return plan.units(of: WorkerID(UInt32(worker))).reduce(0) { sum, unit in
      plan[unit.layer, unit.group].count > 1
        ? sum : sum + experts.byteCount(unit.layer, unit.group)
    }
  }
}
