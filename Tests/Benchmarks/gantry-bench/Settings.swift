/// What the command line says, and where things are.
struct Settings {
  /// The repository's root.
  var root = "."
  /// Folder of the release plugins and of `gantry`.
  var build = ".build/release"
  /// Folder of the baselines and of the benchmark's own plugins, made by `run.sh`.
  var bench = ".build/bench"
  var data = "../shared/data"
  var rounds = 11
  var events = 1_000_000
  /// Swaps for each size of state.
  var swaps = 10_000
  /// Where the report goes; nil prints it only.
  var output: String?
  /// Parts to run; empty = all.
  var parts: [String] = []
  /// What is done instead of measuring in rounds; nil = measure.
  var command: Command?

  enum Command: String {
    /// Writes the tape that the peers read.
    case tape
    /// One measured run of the chain, for a table in which other engines take their turn too.
    case chainOnce = "chain-once"
  }

  static let usage = """
    usage: gantry-bench [--rounds N] [--events N] [--swaps N] [--data FOLDER] [--output FILE] [hops|chain|journal|process|swaps|cells|orders ...]
           gantry-bench tape [--events N] [--data FOLDER] --output FILE     writes the quotes that are measured to a file
           gantry-bench chain-once [--events N] [--data FOLDER]             runs the chain once and prints one line of JSON
    """

  init(arguments: [String]) throws(BenchmarkError) {
    var rest = arguments[...]
    func value(_ name: String) throws(BenchmarkError) -> String {
      guard let value = rest.popFirst() else { throw BenchmarkError("\(name) needs a value\n\(Self.usage)") }
      return value
    }
    func number(_ name: String) throws(BenchmarkError) -> Int {
      guard let number = Int(try value(name)), number > 0 else { throw BenchmarkError("\(name) needs a number above 0") }
      return number
    }
    while let word = rest.popFirst() {
      switch word {
      case "--rounds": rounds = try number(word)
      case "--events": events = try number(word)
      case "--swaps": swaps = try number(word)
      case "--data": data = try value(word)
      case "--build": build = try value(word)
      case "--bench": bench = try value(word)
      case "--output": output = try value(word)
      case "hops", "chain", "journal", "process", "swaps", "cells", "orders": parts.append(word)
      case "tape", "chain-once": command = Command(rawValue: word)
      default: throw BenchmarkError("unknown word \(word)\n\(Self.usage)")
      }
    }
    if command == .tape, output == nil { throw BenchmarkError("tape needs --output FILE\n\(Self.usage)") }
    if command != nil, !parts.isEmpty { throw BenchmarkError("a command stands alone\n\(Self.usage)") }
  }

  func wants(_ part: String) -> Bool { parts.isEmpty || parts.contains(part) }
}

/// Why the benchmark cannot go on.
struct BenchmarkError: Error, CustomStringConvertible {
  var description: String
  init(_ text: String) { description = text }
}
