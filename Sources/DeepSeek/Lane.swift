import Experts
import Kernels
import Tensors

/// Some rows of a step with a workspace of their own, so that they can be in another layer than the
/// other rows.
final class Lane {
  private(set) var workspace: Workspace
  /// The lane's part of a step that is run in parts.
  private(set) var part = StepBatch()
  private var ticket: DispatchTicket?

  init(_ workspace: consuming Workspace) { self.workspace = workspace }

  /// Told what part of a step begins, when somebody measures.
  var profile: StepProfile? {
    get { workspace.stream.profile }
    set { workspace.stream.profile = newValue }
  }

  /// Nanoseconds that the lane has waited for experts so far.
  var waited: UInt64 { workspace.mixture?.waited ?? 0 }

  /// Takes its part of a step.
  func take(_ range: Range<Int>, of step: StepBatch) { part.take(range, of: step) }

  /// Lets go of the step's caches.
  func drop() { part.drop() }

  /// Fills the stream with the embeddings of a step's tokens.
  func start(_ step: StepBatch, embedding: PackedMatrix) {
    workspace.stream.enter(.rest)
    for (index, row) in step.rows.enumerated() {
      var hidden = workspace.stream.hidden.mutableRow(index)
      embedding.copyRow(Int(row.token), into: &hidden)
    }
    workspace.tables.fill(step.rows)
  }

  /// Runs a layer until its experts are asked.
  func begin(
    _ layer: Layer, _ step: StepBatch, experts: (any ExpertBackend)?,
    observer: (any StepObserver)? = nil
  ) throws {
    observer?.willRun(
      layer: layer.index, hidden: workspace.stream.hidden, rowCount: step.rowCount)
    ticket = try layer.begin(step, workspace: &workspace, experts: experts, observer: observer)
  }

  /// Runs the rest of a layer.
  func finish(_ layer: Layer, _ step: StepBatch, experts: (any ExpertBackend)?) throws {
    try layer.finish(ticket, step, workspace: &workspace, experts: experts)
    ticket = nil
  }

  /// Moves the wanted rows of its step to the beginning of its stream, and those of others after them.
  func gather(_ wanted: [Int32], then others: ArraySlice<Lane>) {
    workspace.stream.enter(.head)
    workspace.stream.gather(wanted)
    var row = wanted.count
    for lane in others {
      workspace.stream.append(lane.part.wantedRows, of: lane.workspace.stream, at: row)
      row += lane.part.wantedCount
    }
  }

  /// Computes the logits of the first `count` rows.
  func project(_ count: Int, _ head: OutputHead, into logits: inout FloatMatrix) {
    head.forward(count, stream: &workspace.stream, into: &logits)
  }
}
