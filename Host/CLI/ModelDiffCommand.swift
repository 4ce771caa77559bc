import ArgumentParser
import GantryBase
import GantryModels

/// `gantry model diff`.
struct ModelDiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "Compare two versions of models: what is said of them, their columns, their metrics.",
    discussion: """
      To compare what two models predict on recorded traffic, use `gantry diff --journal J --node N --with models:NAME@VERSION`.

      EXAMPLES
        gantry model diff momentum@2 momentum@3
        gantry model diff momentum@champion trend@latest --json
      """)

  @Argument(help: ArgumentHelp("NAME@3, NAME@ALIAS or NAME@latest.", valueName: "model"))
  var first: String
  @Argument(help: ArgumentHelp("What it is compared with.", valueName: "model"))
  var second: String
  @OptionGroup var models: ModelArguments
  @OptionGroup var output: OutputOptions

  struct Field: Encodable, Equatable {
    var field: String
    var first: String?
    var second: String?
  }
  struct Answer: Encodable {
    var first: String
    var second: String
    /// The artifact's bytes are the same.
    var sameBytes: Bool
    var fields: [Field]
    var columnsOnlyInFirst: [String]
    var columnsOnlyInSecond: [String]
    /// The same columns in another order.
    var columnsReordered: Bool

    enum CodingKeys: String, CodingKey {
      case first, second, fields
      case sameBytes = "same_bytes"
      case columnsOnlyInFirst = "columns_only_in_first"
      case columnsOnlyInSecond = "columns_only_in_second"
      case columnsReordered = "columns_reordered"
    }
  }

  mutating func run() throws {
    let answer = Self.compare(try models.find(first), try models.find(second))
    let terminal = output.terminal
    if terminal.json { return try terminal.object(answer) }
    terminal.out("  " + terminal.paint(answer.first, .plain, bold: true) + " -> " + terminal.paint(answer.second, .plain, bold: true))
    for field in answer.fields {
      terminal.out("  " + terminal.paint(field.field.padded(14), .grey) + "  " + (field.first ?? "-") + " -> " + (field.second ?? "-") + Self.change(field))
    }
    for column in answer.columnsOnlyInFirst { terminal.out("  " + terminal.paint("column".padded(14), .grey) + "  " + terminal.paint("- \(column)", .red)) }
    for column in answer.columnsOnlyInSecond { terminal.out("  " + terminal.paint("column".padded(14), .grey) + "  " + terminal.paint("+ \(column)", .green)) }
    if answer.columnsReordered { terminal.out("  " + terminal.paint("columns".padded(14), .grey) + "  the same ones in another order") }
    if answer.sameBytes { terminal.out("  the artifact's bytes are the same") }
    if !answer.columnsOnlyInSecond.isEmpty {
      terminal.out(terminal.paint("  a swap needs the feature set to offer \(answer.columnsOnlyInSecond.joined(separator: ", ")) already; otherwise change both with `gantry apply`", .grey))
    }
  }

  static func compare(_ first: Model, _ second: Model) -> Answer {
    var fields: [Field] = []
    func add(_ name: String, _ one: String?, _ other: String?) {
      if one != other { fields.append(Field(field: name, first: one, second: other)) }
    }
    let (one, other) = (first.card, second.card)
    add("format", one.format, other.format)
    add("sha256", String(one.sha256.prefix(16)), String(other.sha256.prefix(16)))
    for file in Set(one.also.keys).union(other.also.keys).sorted() { add(file, one.also[file].map { String($0.prefix(16)) }, other.also[file].map { String($0.prefix(16)) }) }
    add("training data", one.trainingData, other.trainingData)
    add("library", one.library, other.library)
    add("created", one.created, other.created)
    add("note", one.note, other.note)
    let names = one.metrics.map(\.name) + other.metrics.map(\.name).filter { name in !one.metrics.contains { $0.name == name } }
    for name in names {
      add(name, one.metrics.first { $0.name == name }.map { "\($0.value)" }, other.metrics.first { $0.name == name }.map { "\($0.value)" })
    }
    return Answer(
      first: first.title, second: second.title, sameBytes: one.digest == other.digest, fields: fields,
      columnsOnlyInFirst: one.columns.filter { !other.columns.contains($0) }, columnsOnlyInSecond: other.columns.filter { !one.columns.contains($0) },
      columnsReordered: one.columns != other.columns && one.columns.sorted() == other.columns.sorted())
  }

  /// The difference of two numbers.
  private static func change(_ field: Field) -> String {
    guard let one = field.first.flatMap(Double.init), let other = field.second.flatMap(Double.init) else { return "" }
    return "  (\(other >= one ? "+" : "-")\(rounded((other - one).magnitude)))"
  }
}
