import ArgumentParser
import GantryBase

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// `gantry man`: the manual page, made from the verbs as they are.
struct ManCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "man", abstract: "Print the manual page.",
    discussion: """
      EXAMPLES
        gantry man | man -l -
        gantry man > /usr/local/share/man/man1/gantry.1
      """)

  @OptionGroup var output: OutputOptions

  mutating func run() throws {
    let page = try ManPage.page(of: GantryCommand._dumpHelp())
    if output.json { try output.terminal.object(["page": page]) } else { output.terminal.out(page) }
  }
}

/// The command tree as a page for man(1).
enum ManPage {
  /// The tree as swift-argument-parser describes it.
  private struct Tool: Decodable { var command: Command }
  private struct Command: Decodable {
    var commandName: String
    var abstract: String?
    var discussion: String?
    var subcommands: [Command]?
    var arguments: [Argument]?
    var shouldDisplay: Bool?
  }
  private struct Argument: Decodable {
    struct Name: Decodable {
      var kind: String
      var name: String
    }
    var kind: String
    var names: [Name]?
    var valueName: String?
    var abstract: String?
    var defaultValue: String?
    var shouldDisplay: Bool
    var isOptional: Bool
  }

  static func page(of dump: String) throws -> String {
    let root = try JSONDecoder().decode(Tool.self, from: Data(dump.utf8)).command
    var lines = [".TH GANTRY 1 \"\" \"gantry \(gantryVersion)\" \"Gantry\"", ".SH NAME", "gantry \\- \(escaped(lower(root.abstract ?? "")))"]
    lines += [".SH SYNOPSIS", ".B gantry", ".I verb", "[options]", ".SH DESCRIPTION"]
    lines += paragraphs(root.discussion ?? "")
    lines.append(".SH VERBS")
    for command in root.subcommands ?? [] { lines += section(command, [root.commandName]) }
    lines += [".SH SEE ALSO", "README.md, manifests/GRAPH_FORMAT.md and manifests/OPERATING.md, which come with gantry."]
    return lines.joined(separator: "\n")
  }

  private static func section(_ command: Command, _ path: [String]) -> [String] {
    guard command.commandName != "help", command.shouldDisplay ?? true else { return [] }
    let full = path + [command.commandName]
    if let inner = command.subcommands?.filter({ $0.commandName != "help" }), !inner.isEmpty { return inner.flatMap { section($0, full) } }
    let shown = (command.arguments ?? []).filter { $0.shouldDisplay && !["help", "version"].contains($0.names?.first?.name ?? "") }
    var lines = [".SS \(escaped(full.dropFirst().joined(separator: " ")))", escaped(command.abstract ?? "")]
    lines += [".PP", ".B \(escaped(full.joined(separator: " ")))"]
    lines += shown.map { argument in
      let value = "\\fI\(escaped(argument.valueName ?? ""))\\fR"
      switch argument.kind {
      case "positional": return argument.isOptional ? "[\(value)]" : value
      case "flag": return "[\\fB\(names(argument))\\fR]"
      default: return "[\\fB\(names(argument))\\fR \(value)]"
      }
    }
    lines += paragraphs(command.discussion ?? "")
    for argument in shown {
      let value = argument.kind == "flag" ? "" : " \\fI\(escaped(argument.valueName ?? ""))\\fR"
      lines += [".TP", argument.kind == "positional" ? value.trimmed : "\\fB\(names(argument))\\fR\(value)"]
      lines.append(escaped(argument.abstract ?? "") + (argument.defaultValue.map { " (default: \(escaped($0)))" } ?? ""))
    }
    return lines
  }

  private static func names(_ argument: Argument) -> String {
    (argument.names ?? []).map { escaped(($0.kind == "short" ? "-" : "--") + $0.name) }.joined(separator: ", ")
  }

  /// Text in paragraphs; what is indented, as examples are, stays as it stands.
  private static func paragraphs(_ text: String) -> [String] {
    var lines: [String] = []
    var isIndented = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let indented = line.hasPrefix("  ")
      if indented != isIndented {
        lines.append(indented ? ".PP\n.nf\n.RS" : ".RE\n.fi")
        isIndented = indented
      }
      if line.isEmpty {
        if !isIndented { lines.append(".PP") }
      } else if line == "EXAMPLES" {
        lines.append("Examples:")
      } else {
        lines.append(escaped(indented ? String(line.dropFirst(2)) : String(line)))
      }
    }
    if isIndented { lines.append(".RE\n.fi") }
    return lines.isEmpty ? [] : [".PP"] + lines
  }

  private static func lower(_ text: String) -> String {
    text.prefix(1).lowercased() + text.dropFirst().trimmingPrefix(".")
  }

  /// Backslashes, hyphens and what roff would take for a request.
  private static func escaped(_ text: String) -> String {
    var result = text.replacing("\\", with: "\\e").replacing("-", with: "\\-")
    if result.hasPrefix(".") || result.hasPrefix("'") { result = "\\&" + result }
    return result
  }
}

extension String {
  fileprivate var trimmed: String { String(drop { $0 == " " }) }
}
