/// Values of the keyword `format` that are kept to, as patterns.
///
/// Sources: RFC 3339 for dates and times (with leap years, without leap seconds), its appendix A for
/// durations, RFC 4122 for UUIDs, RFC 2673 and 4291 for addresses, RFC 1123 for host names. Where those
/// allow what hardly any reader does, as quoted names in addresses of mail, the pattern is narrower.
enum StringFormats {
  /// The pattern of a format; nil where it says nothing that is kept to.
  static func pattern(of name: String) -> String? { patterns[name].map { "^(?:\($0))$" } }

  private static let clock = #"(?:[01]\d|2[0-3]):[0-5]\d"#
  private static let time = clock + #":[0-5]\d(?:\.\d{1,6})?(?:Z|[+-]\#(clock))"#
  private static let date =
    #"[1-9]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"#
    + #"|02-(?:0[1-9]|1\d|2[0-8]))"#
    + #"|(?:[1-9]\d(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29"#
  private static let label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
  private static let octet = #"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"#

  private static let patterns: [String: String] = [
    "date": date,
    "time": time,
    "date-time": "(?:\(date))T\(time)",
    "duration": duration,
    "uuid": "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "ipv4": #"\#(octet)(?:\.\#(octet)){3}"#,
    "ipv6": ipv6,
    "hostname": #"\#(label)(?:\.\#(label))*"#,
    "email": #"[\w%+-]+(?:\.[\w%+-]+)*@(?:\#(label)\.)+[A-Za-z]{2,24}"#,
  ]

  private static var duration: String {
    let time = #"T(?:\d{1,6}H(?:\d{1,6}M)?(?:\d{1,6}S)?|\d{1,6}M(?:\d{1,6}S)?|\d{1,6}S)"#
    let date = #"(?:\d{1,6}Y(?:\d{1,6}M)?(?:\d{1,6}D)?|\d{1,6}M(?:\d{1,6}D)?|\d{1,6}D)"#
    return #"P(?:\d{1,6}W|\#(date)(?:\#(time))?|\#(time))"#
  }

  /// Eight groups, or fewer with one `::` somewhere.
  private static var ipv6: String {
    let group = "[0-9a-fA-F]{1,4}"
    let whole = "(?:\(group):){7}\(group)"
    let shortened = (1...6).map { "(?:\(group):){1,\($0)}(?::\(group)){1,\(7 - $0)}" }
    return ([whole, "(?:\(group):){1,7}:", ":(?:(?::\(group)){1,7}|:)"] + shortened)
      .joined(separator: "|")
  }
}
