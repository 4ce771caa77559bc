import FoundationEssentials
import GantryBase
import GantryChainStore
import Glibc

/// Text for people or JSON for programs; colours on a terminal only, unless NO_COLOR is set.
struct Output {
  var json: Bool

  private static func hasColour(_ descriptor: Int32) -> Bool {
    guard isatty(descriptor) == 1, getenv("NO_COLOR") == nil else { return false }
    return getenv("TERM").map { String(cString: $0) != "dumb" } ?? false
  }

  var text: ChainText { ChainText(colour: Self.hasColour(STDOUT_FILENO)) }
  var paint: Paint { Paint(enabled: Self.hasColour(STDOUT_FILENO)) }

  func line(_ text: String) { Self.write(text + "\n", to: STDOUT_FILENO) }

  static func write(_ text: String, to descriptor: Int32) {
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
  func object(_ value: some Encodable) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    guard let bytes = try? encoder.encode(value) else { return }
    line(String(decoding: bytes, as: UTF8.self))
  }

  func report(_ error: GantryError) {
    if json {
      object(["diagnostics": error.diagnostics])
    } else {
      for diagnostic in error.diagnostics {
        Self.write(diagnostic.rendered(colour: Self.hasColour(STDERR_FILENO)) + "\n", to: STDERR_FILENO)
      }
    }
  }
}
