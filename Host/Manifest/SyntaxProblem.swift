import CYaml
import GantryBase

/// What libyaml stopped at, said for the person who wrote the file: libyaml's sentence names its
/// grammar rule, this one names the usual slip behind it.
struct SyntaxProblem {
  private let problem: String
  private let context: String
  /// Scalars from the start; -1 when libyaml does not say.
  private let position: Int
  private let contextPosition: Int
  private let byteOffset: Int

  init(_ parser: yaml_parser_t) {
    problem = parser.problem.map { String(cString: $0) } ?? "this is no YAML"
    context = parser.context.map { String(cString: $0) } ?? ""
    if parser.error == YAML_READER_ERROR {
      position = -1
      byteOffset = Int(parser.problem_offset)
    } else {
      position = Int(parser.problem_mark.index)
      byteOffset = 0
    }
    contextPosition = parser.context == nil ? -1 : Int(parser.context_mark.index)
  }

  func diagnostic(in source: ManifestSource) -> Diagnostic {
    let place = position < 0 ? source.place(ofByte: source.bytes.startIndex + byteOffset) : self.place(in: source)
    if isTab(place, in: source) {
      return Diagnostic(.error, ManifestCode.tab.rawValue, "a tab stands where YAML wants spaces", at: place, help: ["indent with spaces"])
    }
    let (text, help) = words(opened: contextPosition < 0 ? nil : source.place(contextPosition, contextPosition + 1), at: place)
    return Diagnostic(.error, ManifestCode.syntax.rawValue, text, at: place, help: help)
  }

  /// At the end of the file libyaml points behind the last line; the last thing written helps more.
  private func place(in source: ManifestSource) -> Place {
    let place = source.place(position, position + 1)
    let end = source.end
    return place.line > end.line ? end : place
  }

  private func isTab(_ place: Place, in source: ManifestSource) -> Bool {
    if problem.contains("tab character") { return true }
    let line = source.bytes.split(omittingEmptySubsequences: false) { $0 == 0x0A }.dropFirst(place.line - 1).first ?? []
    let indent = line.prefix { $0 == 0x20 || $0 == 0x09 }
    return indent.contains(0x09) && place.column <= indent.count + 1
  }

  private func words(opened: Place?, at place: Place) -> (String, [String]) {
    let begun = opened.map { $0.line == place.line ? "column \($0.column)" : "line \($0.line)" } ?? "above"
    switch problem {
    case "mapping values are not allowed in this context":
      return (
        "a colon is not expected here",
        [
          "quote a value that holds `: `", "check that this line begins in the column of its neighbours",
          "a mapping inside a line needs braces: on_error: { fallback: NODE }",
        ]
      )
    case "did not find expected key":
      return ("this does not line up with the keys above it", ["the block begun in \(begun) has its keys in another column"])
    case "could not find expected ':'": return ("a colon is missing after a key", ["write `key: value`; a long text needs quotes"])
    case "did not find expected ',' or ']'": return ("the list begun in \(begun) is not closed", ["add a comma between its items, or the closing ]"])
    case "did not find expected ',' or '}'": return ("the mapping begun in \(begun) is not closed", ["add a comma between its entries, or the closing }"])
    case "did not find expected '-' indicator":
      return ("an item of the list begun in \(begun) should begin with - here", ["begin it with `- ` in the column of the others"])
    case "block sequence entries are not allowed in this context": return ("a list cannot begin here", ["put the first `- ` on a line of its own"])
    case "found unexpected end of stream": return ("the quote opened in \(begun) is not closed", ["close it"])
    case "found unexpected document indicator": return ("--- or ... stands inside a quoted text", ["close the quote opened in \(begun)"])
    case "found unknown escape character": return ("this escape is not known in double quotes", ["write \\\\ for a backslash, or use single quotes"])
    case "found character that cannot start any token": return ("a value cannot begin with this character", ["put the value in quotes"])
    case "did not find expected <document start>": return ("this cannot follow what stands above", ["check the indentation, and that every bracket is closed"])
    case "did not find expected alphabetic or numeric character":
      return ("a name of letters and digits should follow & or *", ["quote a text that begins with & or *"])
    case "did not find expected node content": return ("a value is missing here", ["is there a comma too many?"])
    default:
      return (problem, context.isEmpty ? [] : [context + (opened == nil ? "" : " begun in \(begun)")])
    }
  }
}
