internal import Kernels
internal import Synchronization
internal import Tensors

/// Reads and packs one expert group, on all threads at once.
///
/// A thread takes up to two megabytes of one matrix at a time, so that two threads seldom touch a
/// huge page first at the same moment, and reads them in pieces that are still in its cache when
/// they are packed.
struct GroupReader<Source: ExpertSource> {
  let group: PackedGroup
  let layout: ExpertLayout
  let source: Source

  private static var jobByteCount: Int { 2 << 20 }
  private static var pieceByteCount: Int { 256 << 10 }

  /// Whole units of one segment of one expert.
  private struct Job {
    let expert: Int  // within the group
    let segment: ExpertSegment
    let bytes: Range<Int>  // of the segment
  }

  /// Reads and packs everything.
  ///
  /// - Parameters:
  ///   - team: Who does it.
  ///   - progress: Told the bytes that were packed since, by one thread at a time.
  /// - Throws: What `source` throws.
  func run(team: ThreadTeam, progress: (Int) -> Void) throws {
    let jobs = makeJobs()
    let buffer = max(Self.pieceByteCount, layout.segments.map(\.unitByteCount).max() ?? 0)
    let failure = Mutex<(any Error)?>(nil)
    team.forEach(jobs.count, bufferByteCount: buffer) { index, buffer in
      guard failure.withLock({ $0 == nil }) else { return }
      do {
        try run(jobs[index], &buffer)
        failure.withLock { _ in progress(jobs[index].bytes.count) }
      } catch {
        failure.withLock { $0 = error }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }

  private func makeJobs() -> [Job] {
    group.experts.indices.flatMap { expert in
      layout.segments.flatMap { segment in
        segment.cut(0..<segment.byteCount, into: Self.jobByteCount).map {
          Job(expert: expert, segment: segment, bytes: $0)
        }
      }
    }
  }

  private func run(_ job: Job, _ buffer: inout ByteBuffer) throws {
    let start = job.expert * layout.byteCount + job.segment.offset
    for piece in job.segment.cut(job.bytes, into: Self.pieceByteCount) {
      let range = start + piece.lowerBound..<start + piece.upperBound
      try group.read(range, from: source, into: &buffer, at: 0)
      group.pack(
        buffer.bytes.extracting(first: piece.count), of: job.segment, expert: job.expert,
        at: piece.lowerBound)
    }
  }
}

extension PackedGroup {
  /// Reads a part of the group's stream to `offset` of the buffer.
  func read(
    _ bytes: Range<Int>, from source: some ExpertSource, into buffer: inout ByteBuffer,
    at offset: Int
  ) throws {
    var all = buffer.mutableBytes
    var target = all._mutatingExtracting(offset..<offset + bytes.count)
    try source.read(layer: layer, group: group, bytes: bytes, into: &target)
  }

  /// Packs whole units of a segment, which start `offset` bytes into it.
  func pack(_ raw: RawSpan, of segment: ExpertSegment, expert: Int, at offset: Int) {
    let matrix = experts[expert][segment.projection]
    switch segment.part {
    case .weights: matrix.pack(rawRows: raw, at: offset / segment.rowByteCount)
    case .scales: matrix.setBlockScales(unsafe raw._unsafeView(as: Float.self))
    }
  }
}

extension ExpertSegment {
  /// Bytes that must be packed together: a panel of rows, or all scales of a matrix.
  var unitByteCount: Int {
    part == .scales ? byteCount : min(rowCount, PackedMatrix.panelRows) * rowByteCount
  }

  /// Cuts whole units into pieces of at most `limit` bytes, or a unit when that is more.
  fileprivate func cut(_ bytes: Range<Int>, into limit: Int) -> [Range<Int>] {
    let size = max(1, limit / max(1, unitByteCount)) * unitByteCount
    return stride(from: bytes.lowerBound, to: bytes.upperBound, by: max(1, size)).map {
      $0..<min($0 + size, bytes.upperBound)
    }
  }
}
