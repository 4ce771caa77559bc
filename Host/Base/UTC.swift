#if canImport(Glibc)
  import Glibc
#endif

/// Nanoseconds since 1970 as a time in UTC, to the millisecond: `2024-01-05 13:30:00.250`.
public func utcText(_ ns: Int64) -> String {
  var seconds = time_t(ns / 1_000_000_000)
  var rest = ns % 1_000_000_000
  if rest < 0 {
    rest += 1_000_000_000
    seconds -= 1
  }
  var parts = tm()
  gmtime_r(&seconds, &parts)
  func digits(_ value: some BinaryInteger, _ width: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.count)) + text
  }
  return digits(parts.tm_year + 1900, 4) + "-" + digits(parts.tm_mon + 1, 2) + "-" + digits(parts.tm_mday, 2) + " "
    + digits(parts.tm_hour, 2) + ":" + digits(parts.tm_min, 2) + ":" + digits(parts.tm_sec, 2) + "." + digits(rest / 1_000_000, 3)
}
