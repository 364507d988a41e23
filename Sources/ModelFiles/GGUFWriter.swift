/// Writes a GGUF file front to back: the header first, then each tensor's bytes in order.
///
/// The file appears under its name only when it is complete; an unfinished one is removed.
public struct GGUFWriter: ~Copyable {
  private let blueprint: GGUFBlueprint
  private let file: OutputFile
  private var tensor: Int
  /// Bytes of the current tensor that have been written.
  private var written: Int

  /// Creates the file and writes the header.
  public init(_ blueprint: GGUFBlueprint, to path: String) throws(ModelFileError) {
    let header = blueprint.header
    let byteCount = header.count + blueprint.dataByteCount
    let file = try OutputFile(path: path, byteCount: byteCount)
    try file.write(header.span)
    self.file = file
    self.blueprint = blueprint
    tensor = 0
    written = 0
  }

  /// Writes the next bytes of the tensors' data; a call must not cross the end of a tensor.
  public mutating func write(_ bytes: Span<UInt8>) throws(ModelFileError) {
    let wanted = blueprint.tensors[tensor].byteCount
    precondition(bytes.count <= wanted - written, "these bytes belong to two tensors")
    try file.write(bytes)
    written += bytes.count
    if written == wanted { try endTensor() }
  }

  /// Completes the file.
  ///
  /// - Precondition: every tensor has been written.
  public consuming func finish() throws(ModelFileError) {
    precondition(tensor == blueprint.tensors.count, "tensors are missing")
    try file.finish()
  }

  private mutating func endTensor() throws(ModelFileError) {
    let padding = [UInt8](repeating: 0, count: blueprint.padded(written) - written)
    try file.write(padding.span)
    tensor += 1
    written = 0
  }
}
