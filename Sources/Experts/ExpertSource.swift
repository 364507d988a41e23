/// Where the raw bytes of expert groups come from: a model file, or another process.
///
/// The bytes of one (layer, group) are one stream, `ExpertGeometry.layout`: its experts
/// in ascending order, of each the gate, up and down projection, row by row as the file stores them;
/// an FP8 projection is followed by its block scales in float32.
public protocol ExpertSource: Sendable {
  /// Whether reading is faster when several threads do it at the same time.
  var servesManyThreads: Bool { get }

  /// Copies `bytes` of the stream of (`layer`, `group`) to the start of `destination`.
  ///
  /// - Throws: When the bytes cannot be had; then `destination` holds anything.
  func read(
    layer: LayerIndex, group: GroupIndex, bytes: Range<Int>,
    into destination: inout MutableRawSpan
  ) throws
}

extension ExpertSource {
  /// Reads are ordered, unless a source says otherwise.
  public var servesManyThreads: Bool { false }
}
