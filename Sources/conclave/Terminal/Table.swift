/// Aligned columns: text to the left, numbers to the right.
struct Table {
  private let header: [String]
  private let rightAligned: Set<Int>
  private var rows: [[String]] = []

  /// Starts with a header; the columns of numbers are `rightAligned`.
  init(_ header: [String], rightAligned: Set<Int>) {
    self.header = header
    self.rightAligned = rightAligned
  }

  mutating func add(_ row: [String]) { rows.append(row) }

  /// The lines, each with `indent` spaces in front and without spaces at the end.
  func lines(style: Style, indent: Int = 0) -> [String] {
    let widths = header.indices.map { column in
      ([header] + rows).map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    let margin = String(repeating: " ", count: indent)
    return [margin + style.dim(line(header, widths))] + rows.map { margin + line($0, widths) }
  }

  private func line(_ row: [String], _ widths: [Int]) -> String {
    var cells: [String] = []
    for (column, cell) in row.enumerated() where column < widths.count {
      let padding = String(repeating: " ", count: widths[column] - cell.count)
      let isLast = column == widths.count - 1
      cells.append(rightAligned.contains(column) ? padding + cell : isLast ? cell : cell + padding)
    }
    return cells.joined(separator: "  ")
  }
}
