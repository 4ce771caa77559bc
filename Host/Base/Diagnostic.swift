/// One mistake or remark, for a person: a closed code, a sentence, a place, a remedy.
///
/// Codes are `<module>.<what>` in lower case with dashes; every code is listed in
/// `DiagnosticCode`-style constants of the module that raises it and never changes its meaning.
public struct Diagnostic: Sendable, Equatable, Codable {
  public enum Severity: String, Sendable, Codable { case error, warning, note }

  public var severity: Severity
  public var code: String
  /// One sentence: what is wrong.
  public var text: String
  /// Where, when there is a file.
  public var place: Place?
  /// What to do about it, one sentence each.
  public var help: [String]

  public init(
    _ severity: Severity = .error, _ code: String, _ text: String, at place: Place? = nil,
    help: [String] = []
  ) {
    self.severity = severity
    self.code = code
    self.text = text
    self.place = place
    self.help = help
  }
}

/// A span in one line of a file. Line and column are 1-based; columns count Unicode scalars.
public struct Place: Sendable, Equatable, Hashable, Codable {
  public var file: String
  public var line: Int
  public var column: Int
  /// How many columns are underlined, at least 1.
  public var length: Int
  /// The text of the line, without its end; empty when it is not known.
  public var excerpt: String

  public init(file: String, line: Int, column: Int, length: Int = 1, excerpt: String = "") {
    self.file = file
    self.line = line
    self.column = column
    self.length = max(length, 1)
    self.excerpt = excerpt
  }
}

/// What stops a run or a command: one or more diagnostics and the exit code that goes with them.
public struct GantryError: Error, Sendable {
  public var diagnostics: [Diagnostic]
  public var exitCode: ExitCode

  public init(_ diagnostics: [Diagnostic], _ exitCode: ExitCode) {
    self.diagnostics = diagnostics
    self.exitCode = exitCode
  }

  public init(
    _ code: String, _ text: String, at place: Place? = nil, help: [String] = [],
    exit exitCode: ExitCode = .badInput
  ) {
    self.init([Diagnostic(.error, code, text, at: place, help: help)], exitCode)
  }
}

/// The process's exit codes; documented, never renumbered.
public enum ExitCode: Int32, Sendable, Codable {
  case done = 0
  /// The run failed.
  case failed = 1
  case usage = 2
  /// A graph, plugin or data file is wrong.
  case badInput = 65
  /// No host is running.
  case noHost = 69
  /// A bug in gantry.
  case bug = 70
  /// Not allowed.
  case notAllowed = 77
}
