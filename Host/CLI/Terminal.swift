import GantryBase

#if canImport(Glibc)
  import Glibc
#endif
#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// How verbs speak: for people by default, one JSON object with `--json`; colours only on a terminal.
struct Terminal: Sendable {
  var json: Bool
  let outIsTerminal = isatty(STDOUT_FILENO) == 1
  let errorIsTerminal = isatty(STDERR_FILENO) == 1

  init(json: Bool = false) { self.json = json }

  /// Colours for standard output, unless NO_COLOR is set.
  var paint: Paint { Paint(enabled: outIsTerminal && getenv("NO_COLOR") == nil) }
  var errorPaint: Paint { Paint(enabled: errorIsTerminal && getenv("NO_COLOR") == nil) }

  func out(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }
  func error(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

  /// One line that replaces itself; only on a terminal. Nil ends it.
  func progress(_ text: String?) {
    guard errorIsTerminal, !json else { return }
    write("\r\u{1B}[2K" + (text ?? ""), to: STDERR_FILENO)
  }

  private func write(_ text: String, to descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        return
      }
      rest = rest.dropFirst(count)
    }
  }

  /// One JSON value on a line of its own.
  func object(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    out(String(decoding: try encoder.encode(value), as: UTF8.self))
  }

  /// Diagnostics to standard error, or as one JSON object to standard output.
  func report(_ diagnostics: [Diagnostic]) throws {
    if json {
      try object(["diagnostics": diagnostics])
    } else {
      for diagnostic in diagnostics { error(diagnostic.rendered(colour: errorPaint.enabled)) }
    }
  }
}

/// A number with thousands separated: 1,234,567.
func grouped(_ value: UInt64) -> String {
  var digits = Array(String(value))
  var position = digits.count - 3
  while position > 0 {
    digits.insert(",", at: position)
    position -= 3
  }
  return String(digits)
}

/// Nanoseconds for people: 840 ns, 1.3 us, 25 ms.
func duration(_ ns: UInt64) -> String {
  switch ns {
  case 0..<1_000: "\(ns) ns"
  case 0..<1_000_000: rounded(Double(ns) / 1e3) + " us"
  case 0..<1_000_000_000: rounded(Double(ns) / 1e6) + " ms"
  default: rounded(Double(ns) / 1e9) + " s"
  }
}

/// Three digits that matter.
func rounded(_ value: Double) -> String {
  let decimals = value.magnitude >= 100 ? 0 : value.magnitude >= 10 ? 1 : 2
  var scale = 1.0
  for _ in 0..<decimals { scale *= 10 }
  let scaled = (value * scale).rounded()
  if decimals == 0 { return String(Int64(scaled)) }
  let whole = Int64((scaled / scale).rounded(.towardZero))
  let fraction = Int64((scaled - Double(whole) * scale).magnitude.rounded())
  let text = String(fraction)
  return (value < 0 && whole == 0 ? "-" : "") + "\(whole)." + String(repeating: "0", count: decimals - text.count) + text
}

extension String {
  func padded(_ width: Int) -> String { count >= width ? self : self + String(repeating: " ", count: width - count) }
  func leftPadded(_ width: Int) -> String { count >= width ? self : String(repeating: " ", count: width - count) + self }
}
