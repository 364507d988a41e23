/// How far kernels stay behind what a machine can do at most, and what they cost besides.
///
/// Measured on two Zen 5 cores with the models of `docs/performance.md`; machines differ far more in
/// their bandwidth, which is measured, than in these.
struct KernelCosts {
  /// The part of the read bandwidth that products of few rows reach.
  static let bandwidthShare = 0.95
  /// Rows whose products could have been formed while a matrix is unpacked: with `n` rows, the
  /// kernels reach n / (n + unpackingRows) of their speed.
  static let unpackingRows = 0.7
  /// Norms, encoding, starting threads a dozen times: seconds for one layer of one step.
  static let layerSeconds = 15e-6
  /// The same for one row more of one layer.
  static let rowSeconds = 1.5e-6
  /// Sampling and handing out: seconds for one token.
  static let tokenSeconds = 50e-6
  /// What one more message of a call costs the coordinator.
  static let messageSeconds = 12e-6
  /// What a call costs for every two processes of a cluster that share a machine: they wake each
  /// other up.
  static let sharedMachineSeconds = 50e-6
  /// What computing experts takes longer where several processes share the processors: they lose them
  /// to each other in the middle of work that others wait for.
  static let sharedMachineFactor = 1.2
  /// Bytes of a data message besides rows: header, framing, TCP and IP.
  static let messageByteCount = 220
  /// Bytes of the index for one use of an expert.
  static let entryByteCount = 8
}

/// How long a piece of work takes, and what bounds it.
struct WorkTime {
  var seconds = 0.0
  /// The part of `seconds` during which memory is what is waited for.
  var memorySeconds = 0.0

  static func + (a: WorkTime, b: WorkTime) -> WorkTime {
    WorkTime(
      seconds: a.seconds + b.seconds, memorySeconds: a.memorySeconds + b.memorySeconds)
  }

  static func * (a: WorkTime, factor: Double) -> WorkTime {
    WorkTime(seconds: a.seconds * factor, memorySeconds: a.memorySeconds * factor)
  }
}

extension HostDescription {
  /// The time to multiply matrices with rows.
  ///
  /// - Parameters:
  ///   - work: What one row costs in all of the matrices.
  ///   - rows: Rows that meet each matrix, on average.
  /// - Returns: Seconds, and whether memory is what bounds them.
  func time(_ work: MatrixWork, rows: Double) -> WorkTime {
    let memory = Double(work.byteCount) / (bytesPerSecond * KernelCosts.bandwidthShare)
    let compute =
      (rows + KernelCosts.unpackingRows)
      * (Double(work.integerProducts) / integerProductsPerSecond
        + Double(work.floatProducts) / floatProductsPerSecond)
    return memory >= compute
      ? WorkTime(seconds: memory, memorySeconds: memory) : WorkTime(seconds: compute)
  }
}
