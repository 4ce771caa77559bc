import CYaml
import GantryBase

/// Reads the text of a YAML file into a tree with places.
///
/// It takes any bytes: what is wrong with them becomes diagnostics, each with a place. The tree is
/// nil when the text cannot be followed to its end; mistakes that leave the rest readable (a
/// duplicate key, a tag, a second document) are reported beside the tree.
public enum ManifestParser {
  public static func parse(bytes: [UInt8], file: String) -> (ManifestNode?, [Diagnostic]) {
    guard bytes.count <= ManifestLimits.bytes else {
      return (
        nil,
        [
          Diagnostic(
            .error, ManifestCode.tooLarge.rawValue,
            "the file has \(bytes.count) bytes; the limit is \(ManifestLimits.bytes)",
            at: Place(file: file, line: 1, column: 1), help: ["move data out of the graph file and name it by a path"])
        ]
      )
    }
    // A byte order mark is allowed and means nothing.
    let source = ManifestSource(file: file, bytes: bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...])
    if let problem = encodingProblem(source) { return (nil, [problem]) }
    var builder = ManifestTreeBuilder(source: source)
    return builder.run()
  }

  /// The first thing that no YAML text may hold, if any.
  private static func encodingProblem(_ source: ManifestSource) -> Diagnostic? {
    var decoder = Unicode.UTF8.ForwardParser()
    var bytes = source.bytes.makeIterator()
    var offset = source.bytes.startIndex
    while true {
      switch decoder.parseScalar(from: &bytes) {
      case .emptyInput: return nil
      case .error:
        return Diagnostic(
          .error, ManifestCode.notUTF8.rawValue, "byte \(hexByte(source.bytes[offset])) is not part of UTF-8 text",
          at: source.place(ofByte: offset), help: ["save the file as UTF-8"])
      case .valid(let encoded):
        let scalar = Unicode.UTF8.decode(encoded)
        if !isAllowed(scalar) {
          return Diagnostic(
            .error, ManifestCode.badCharacter.rawValue, "the character U+\(codePoint(scalar)) cannot stand in YAML text",
            at: source.place(ofByte: offset),
            help: [
              scalar.value == 0 ? "this looks like a binary file; give a text file" : "remove it, or write it in double quotes as \"\\u\(codePoint(scalar))\""
            ])
        }
        offset += encoded.count
      }
    }
  }

  /// What libyaml's reader takes.
  private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09, 0x0A, 0x0D, 0x85, 0x20...0x7E, 0xA0...0xD7FF, 0x10000...0x10FFFF: true
    case 0xE000...0xFFFD: scalar.value != 0xFEFF
    default: false
    }
  }

  private static func codePoint(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  private static func hexByte(_ byte: UInt8) -> String {
    (byte < 16 ? "0x0" : "0x") + String(byte, radix: 16, uppercase: true)
  }
}
