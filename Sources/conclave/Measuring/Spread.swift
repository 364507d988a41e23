/// Some measurements of one thing.
struct Spread {
  let values: [Double]

  /// At least one value.
  init(_ values: [Double]) { self.values = values.sorted() }

  var median: Double {
    let middle = values.count / 2
    return values.count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2
  }

  /// Half of the range, relative to the median.
  var spread: Double {
    guard let first = values.first, let last = values.last, median > 0 else { return 0 }
    return (last - first) / 2 / median
  }

  var text: String {
    "\(Quantity.number(median)) (\(Quantity.number(values.first ?? 0)) to"
      + " \(Quantity.number(values.last ?? 0)))"
  }

  var json: JSONText {
    .object([
      ("median", .number(median)), ("spread", .number(spread)),
      ("minimum", .number(values.first ?? 0)), ("maximum", .number(values.last ?? 0)),
      ("samples", .array(values.map(JSONText.number))),
    ])
  }
}
