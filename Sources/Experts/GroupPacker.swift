public import Kernels
internal import Tensors

/// One expert group, packed and ready to compute with.
public struct PackedGroup: Sendable {
  /// The layer.
  public let layer: LayerIndex
  /// The group within the layer.
  public let group: GroupIndex
  let experts: [PackedExpert]

  /// Bytes of the packed matrices.
  public var byteCount: Int { experts.reduce(0) { $0 + $1.byteCount } }
}

/// Packs one expert group from its byte stream, which may come in pieces of any size.
///
/// Bytes wait in a staging buffer of a few megabytes until they are whole panels of 16 rows; then
/// all of them are packed in parallel. A source that many threads can read is read without staging.
/// May be used on a thread of its own.
public struct GroupPacker: ~Copyable {
  /// Bytes of the group's stream.
  public let byteCount: Int
  /// Bytes of the stream that have come.
  public private(set) var receivedByteCount = 0

  private let group: PackedGroup
  private let layout: ExpertLayout
  private let kernels: Kernels
  private var staging: ByteBuffer
  private var stagedByteCount = 0  // at the start of `staging`: the last bytes received
  private var pieces: [Piece] = []

  /// Rows of one matrix, or its scales, that lie whole in the staging buffer.
  private struct Piece {
    let expert: Int
    let segment: ExpertSegment
    let offset: Int  // in the segment
    let bytes: Range<Int>  // in `staging`
  }

  private static let stagingByteCount = 4 << 20
  private static let pieceByteCount = 128 << 10

  /// Reserves the memory of (`layer`, `group`) in `arena`.
  ///
  /// - Throws: `KernelError.outOfMemory`.
  public init(
    _ geometry: ExpertGeometry, layer: LayerIndex, group: GroupIndex, arena: WeightArena,
    kernels: Kernels
  ) throws(KernelError) {
    layout = geometry.layout(layer, group)
    var experts: [PackedExpert] = []
    for _ in geometry.experts(in: group) {
      experts.append(try PackedExpert(geometry, layer, group, in: arena))
    }
    self.group = PackedGroup(layer: layer, group: group, experts: experts)
    self.kernels = kernels
    byteCount = layout.byteCount * experts.count
    let largest = layout.segments.map(\.unitByteCount).max() ?? 0
    staging = ByteBuffer(byteCount: max(Self.stagingByteCount, 2 * largest))
  }
}

extension GroupPacker {
  /// Takes the next bytes of the stream, as many as came.
  ///
  /// - Throws: `ExpertError` of kind `group` when they are more than the group has.
  public mutating func append(_ bytes: RawSpan) throws(ExpertError) {
    guard bytes.byteCount <= byteCount - receivedByteCount else {
      throw ExpertError(
        .group,
        "layer \(group.layer), group \(group.group): more than the \(byteCount) bytes that it "
          + "has; both sides must run the same version")
    }
    var taken = 0
    while taken < bytes.byteCount {
      let count = min(bytes.byteCount - taken, staging.byteCount - stagedByteCount)
      staging.copy(bytes.extracting(taken..<taken + count), at: stagedByteCount)
      take(count)
      taken += count
    }
  }

  /// Reads the rest of the stream.
  ///
  /// - Parameters:
  ///   - source: Where the group's bytes are.
  ///   - progress: Told the bytes that came since it was last called.
  /// - Throws: What `source` throws; the bytes that came before stay.
  public mutating func fill(
    from source: some ExpertSource, progress: (Int) -> Void = { _ in }
  ) throws {
    if source.servesManyThreads, receivedByteCount == 0 {
      let reader = GroupReader(group: group, layout: layout, source: source)
      try reader.run(team: kernels.team, progress: progress)
      receivedByteCount = byteCount
    }
    while receivedByteCount < byteCount {
      let count = min(byteCount - receivedByteCount, staging.byteCount - stagedByteCount)
      let position = receivedByteCount
      try group.read(
        position..<position + count, from: source, into: &staging, at: stagedByteCount)
      take(count)
      progress(count)
    }
  }

  /// The packed group.
  ///
  /// - Throws: `ExpertError` of kind `group` when bytes are missing.
  public consuming func finish() throws(ExpertError) -> PackedGroup {
    guard receivedByteCount == byteCount else {
      throw ExpertError(
        .group,
        "layer \(group.layer), group \(group.group): \(receivedByteCount) of \(byteCount) bytes "
          + "came; load the group again")
    }
    return group
  }

  /// Counts `count` more staged bytes and packs what is complete.
  private mutating func take(_ count: Int) {
    stagedByteCount += count
    receivedByteCount += count
    let used = cutPieces()
    packPieces()
    staging.moveToStart(used..<stagedByteCount)
    stagedByteCount -= used
  }

  /// Finds the whole units in the staging buffer; returns how many bytes they are.
  private mutating func cutPieces() -> Int {
    pieces.removeAll(keepingCapacity: true)
    let start = receivedByteCount - stagedByteCount
    var used = 0
    while used < stagedByteCount {
      let (expert, offset) = (start + used).quotientAndRemainder(dividingBy: layout.byteCount)
      let segment = layout.segment(at: offset)
      let left = segment.range.upperBound - offset
      let count = min(segment.wholeUnits(in: stagedByteCount - used, left: left), left)
      guard count > 0 else { break }
      let piece = min(count, segment.wholeUnits(in: Self.pieceByteCount, left: left))
      let size = piece > 0 ? piece : min(segment.unitByteCount, left)
      pieces.append(
        Piece(
          expert: expert, segment: segment, offset: offset - segment.offset,
          bytes: used..<used + size))
      used += size
    }
    return used
  }

  private func packPieces() {
    let bytes = staging.bytes
    kernels.team.forEach(pieces.count) { index in
      let piece = pieces[index]
      group.pack(
        bytes.extracting(piece.bytes), of: piece.segment, expert: piece.expert, at: piece.offset)
    }
  }
}

extension ExpertSegment {
  /// The whole units in `available` bytes, when `left` bytes of the segment are to come.
  fileprivate func wholeUnits(in available: Int, left: Int) -> Int {
    available >= left ? left : available / unitByteCount * unitByteCount
  }
}
