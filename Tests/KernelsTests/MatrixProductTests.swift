import Kernels
import Tensors
import Testing

/// One random product, computed by some kernels.
private struct Product {
  let format: ElementFormat
  let rows: Int
  let columns: Int
  let raw: [UInt8]
  let matrix: PackedMatrix
  let scales: [Float]

  init(_ format: ElementFormat, rows: Int, columns: Int, _ random: inout SeededGenerator) throws {
    self.format = format
    self.rows = rows
    self.columns = columns
    let raw = random.rawRows(format, rows: rows, columns: columns)
    self.raw = raw
    matrix = try PackedMatrix(arena: WeightArena(), format: format, rows: rows, columns: columns)
    unsafe matrix.pack(rawRows: raw.span.bytes)
    let scaleCount = ((rows + 127) / 128) * ((columns + 127) / 128)
    scales = format == .f8E4M3 ? random.floats(scaleCount, in: 0.5...2) : []
    if format == .f8E4M3 { matrix.setBlockScales(scales.span) }
  }

  func run(_ x: borrowing FloatMatrix, rows range: Range<Int>, _ kernels: Kernels) -> FloatMatrix {
    var encoded = EncodedRows(
      format: matrix.activationFormat, capacity: range.count, columns: columns)
    encoded.encode(x, rows: range, with: kernels)
    var out = FloatMatrix(rows: range.count, columns: rows)
    var plan = MatmulPlan()
    plan.append(matrix, encoded, rows: 0..<range.count, into: &out)
    kernels.run(&plan)
    return out
  }
}

private let sizes = [(1, 1), (5, 1), (16, 2), (17, 3), (40, 1), (33, 4)]  // rows, blocks
private let floatColumns = [1, 2, 3, 7, 10, 22, 42, 63, 257, 300]

extension ElementFormat {
  fileprivate func shapes() -> [(rows: Int, columns: Int)] {
    if blockLength > 1 { return sizes.map { ($0.0, $0.1 * blockLength) } }
    return floatColumns.enumerated().map { (sizes[$0.offset % sizes.count].0, $0.element) }
  }
}

@Suite struct MatrixProductTests {
  static let scalar = Kernels(variant: .scalar, team: ThreadTeam(threads: 1))

  @Test(arguments: ElementFormat.ofWeights, KernelVariant.available.filter { $0 != .scalar })
  func everyVariantGivesTheBitsOfTheScalarOne(
    _ format: ElementFormat, _ variant: KernelVariant
  ) throws {
    var random = SeededGenerator(seed: 3)
    let kernels = Kernels(variant: variant, team: ThreadTeam(threads: 1))
    for (rows, columns) in format.shapes() {
      let product = try Product(format, rows: rows, columns: columns, &random)
      let x = random.matrix(rows: 20, columns: columns, in: -3...3)
      for count in [1, 2, 3, 5, 6, 7, 20] {
        let ours = product.run(x, rows: 0..<count, kernels)
        let scalar = product.run(x, rows: 0..<count, Self.scalar)
        #expect(ours.bits == scalar.bits, "\(rows) × \(columns), \(count) rows")
      }
    }
  }

  @Test(arguments: ElementFormat.ofWeights)
  func theScalarVariantIsCloseToDoublePrecision(_ format: ElementFormat) throws {
    var random = SeededGenerator(seed: 4)
    for (rows, columns) in format.shapes() {
      let product = try Product(format, rows: rows, columns: columns, &random)
      let x = random.matrix(rows: 1, columns: columns)
      let result = product.run(x, rows: 0..<1, Self.scalar)
      let inputs = activations(x, as: format.activationFormat)
      var weights = decode(product.raw, format, count: rows * columns)
      for index in weights.indices where format == .f8E4M3 {
        let (row, column) = index.quotientAndRemainder(dividingBy: columns)
        weights[index] *= product.scales[row / 128 * ((columns + 127) / 128) + column / 128]
      }
      for row in 0..<rows {
        let weights = weights[row * columns..<(row + 1) * columns]
        var sum = 0.0
        var magnitude = 0.0
        let most = Double(weights.map(\.magnitude).max() ?? 0)
        for (weight, input) in zip(weights, inputs) {
          sum += Double(weight) * input
          // Codes and minimum of an affine format cancel; each is at most three times the rest.
          magnitude += 3 * most * input.magnitude
        }
        // At most two roundings per block of 32 (or per element), and a few of the scales.
        let roundings = Double(2 * columns / min(format.blockLength, 32) + 8)
        let bound = roundings * 0x1p-24 * magnitude
        #expect(abs(Double(result.row(0)[row]) - sum) <= bound, "\(rows) × \(columns), row \(row)")
      }
    }
  }

  @Test(arguments: ElementFormat.ofWeights)
  func aRowDoesNotDependOnItsBatchNorOnThreads(_ format: ElementFormat) throws {
    var random = SeededGenerator(seed: 5)
    // More columns than a tile of all rows takes at once, an odd number of blocks.
    let columns = format.blockLength == 1 ? 70 : 2048 + format.blockLength
    let product = try Product(format, rows: 150, columns: columns, &random)
    let x = random.matrix(rows: 70, columns: columns)
    let one = Kernels(team: ThreadTeam(threads: 1))
    let two = Kernels(team: ThreadTeam(threads: 2))
    let batch = product.run(x, rows: 0..<70, one)
    #expect(product.run(x, rows: 0..<70, two).bits == batch.bits)
    for row in [0, 1, 31, 32, 69] {
      #expect(product.run(x, rows: row..<row + 1, two).row(0).bits == batch.row(row).bits)
    }
  }

  @Test(arguments: [ElementFormat.q4K, .q8_0, .f32, .f8E4M3])
  func aPlanRunsManyProductsOnSlicesAndLists(_ format: ElementFormat) throws {
    var random = SeededGenerator(seed: 6)
    let kernels = Kernels(team: ThreadTeam(threads: 2))
    let width = max(format.blockLength, 32)
    let first = try Product(format, rows: 24, columns: width, &random)
    let second = try Product(format, rows: 9, columns: width, &random)
    let x = random.matrix(rows: 6, columns: 2 * width)
    var encoded = EncodedRows(
      format: format.activationFormat, capacity: 6, columns: 2 * width)
    encoded.encode(x, rows: 0..<6, with: kernels)
    var out = FloatMatrix(rows: 8, columns: 33)
    var plan = MatmulPlan()
    for _ in 0..<2 {  // the storage is used again
      plan.removeAll()
      let inputs: [Int32] = [5, 0, 3]
      let outputs: [Int32] = [7, 2, 4]
      plan.append(
        first.matrix, encoded, columnOffset: width, rows: inputs.span, into: &out,
        outputRows: outputs.span, outputColumn: 9)
      plan.append(second.matrix, encoded, rows: inputs.span, into: &out, outputRow: 0)
      plan.append(second.matrix, encoded, rows: 2..<4, into: &out, outputRow: 3)
      kernels.run(&plan)
    }
    let right = FloatMatrix(rows: 6, columns: width) { x.row($0)[width + $1] }
    let left = FloatMatrix(rows: 6, columns: width) { x.row($0)[$1] }
    let wide = first.run(right, rows: 0..<6, kernels)
    let narrow = second.run(left, rows: 0..<6, kernels)
    for (input, output) in [(5, 7), (0, 2), (3, 4)] {
      #expect(out.row(output).bits.suffix(24) == wide.row(input).bits[...])
    }
    for (input, output) in [(5, 0), (0, 1), (3, 2), (2, 3), (3, 4)] {
      #expect(out.row(output).bits.prefix(9) == narrow.row(input).bits[...])
    }
    #expect(out.row(6).bits == [UInt32](repeating: 0, count: 33))
  }

  @Test func extremeCodesDoNotSaturate() throws {
    // Every code at an end of its range, against inputs of ±127: sums that overflow 16 bits.
    for variant in KernelVariant.available {
      let kernels = Kernels(variant: variant, team: ThreadTeam(threads: 1))
      for byte in [UInt8(0x00), 0x7f, 0x80, 0x81, 0xff] {
        for format in ElementFormat.ofWeights where format.activationFormat == .int8Blocks {
          let blockBytes = format.blockByteCount
          let raw = (0..<16 * blockBytes).map { index in
            // Halves of 0x3c00, 1.0, at the places where any format has one.
            let at = index % blockBytes
            let isHalf = format == .q6K ? at >= 208 : at < (blockBytes % 4 == 0 ? 4 : 2)
            return isHalf ? (at % 2 == 0 ? 0 : 0x3c) : byte
          }
          let columns = format.blockLength
          let matrix = try PackedMatrix(
            arena: WeightArena(), format: format, rows: 16, columns: columns)
          unsafe matrix.pack(rawRows: raw.span.bytes)
          for sign: Float in [-1, 1] {
            let x = FloatMatrix(rows: 1, columns: columns) { _, _ in sign * 127 }
            var encoded = EncodedRows(format: .int8Blocks, capacity: 1, columns: columns)
            encoded.encode(x, rows: 0..<1, with: kernels)
            var out = FloatMatrix(rows: 1, columns: 16)
            var plan = MatmulPlan()
            plan.append(matrix, encoded, rows: 0..<1, into: &out)
            kernels.run(&plan)
            let weights = decode(raw, format, count: 16 * columns)
            let expected = weights[..<columns].reduce(0) { $0 + Double($1) * Double(sign) * 127 }
            #expect(
              abs(Double(out.row(0)[3]) - expected) <= abs(expected) * 1e-5 + 1e-2,
              "\(variant) \(format.name) \(byte)")
          }
        }
      }
    }
  }
}

/// Activations as the kernels see them: decoded from their encoded form.
private func activations(_ x: borrowing FloatMatrix, as format: ActivationFormat) -> [Double] {
  let row = x.row(0)
  if format == .float32 { return row.indices.map { Double(row[$0]) } }
  var encoded = EncodedRows(format: format, capacity: 1, columns: x.columns)
  encoded.encode(x, rows: 0..<1, with: MatrixProductTests.scalar)
  let wire = encoded.wireBytes(0..<1)
  return (0..<x.columns).map { column in
    let code = unsafe wire.unsafeLoad(fromByteOffset: column, as: Int8.self)
    let half = unsafe wire.unsafeLoadUnaligned(
      fromByteOffset: x.columns + column / 32 * 2, as: UInt16.self)
    return Double(code) * Double(floatFromHalf(half))
  }
}

private func floatFromHalf(_ half: UInt16) -> Float {
  var value: [Float] = [0]
  var span = value.mutableSpan
  let bytes = [UInt8(truncatingIfNeeded: half), UInt8(half >> 8)]
  unsafe ElementFormat.f16.decode(bytes.span.bytes, into: &span)
  return value[0]
}
