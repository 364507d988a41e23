/// Blanks out comments and string contents, so that rules see code only.
///
/// It knows line comments, nested block comments, and one-line and multi-line strings. An
/// interpolation counts as string. That is enough for counting braces and finding words.
enum CodeOnly {
  static func lines(of lines: [String]) -> [String] {
    var state = State()
    return lines.map { state.strip($0) }
  }

  private struct State {
    var commentDepth = 0
    var inLongString = false

    mutating func strip(_ line: String) -> String {
      var result = ""
      var rest = Substring(line)
      var inString = false
      while let character = rest.first {
        if commentDepth > 0 {
          skipComment(&rest)
        } else if inLongString {
          if rest.hasPrefix("\"\"\"") { inLongString = false; rest.removeFirst(2) }
          rest.removeFirst()
        } else if inString {
          if character == "\\" { rest.removeFirst() }
          if character == "\"" { inString = false }
          if !rest.isEmpty { rest.removeFirst() }
        } else if rest.hasPrefix("//") {
          break
        } else if rest.hasPrefix("/*") {
          commentDepth = 1
          rest.removeFirst(2)
        } else if rest.hasPrefix("\"\"\"") {
          inLongString = true
          rest.removeFirst(3)
        } else if character == "\"" {
          inString = true
          rest.removeFirst()
        } else {
          result.append(rest.removeFirst())
        }
      }
      return result
    }

    private mutating func skipComment(_ rest: inout Substring) {
      if rest.hasPrefix("*/") { commentDepth -= 1; rest.removeFirst() }
      if rest.hasPrefix("/*") { commentDepth += 1; rest.removeFirst() }
      if !rest.isEmpty { rest.removeFirst() }
    }
  }
}
