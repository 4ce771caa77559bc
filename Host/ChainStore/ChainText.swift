import GantryBase
import GantryTrace
import Glibc

/// Lists and trees for people.
public struct ChainText {
  let paint: Paint

  public init(colour: Bool) { paint = Paint(enabled: colour) }

  // MARK: the list

  public func list(_ chains: [ChainSummary]) -> String {
    guard !chains.isEmpty else { return "no chains" }
    var rows = [["CHAIN", "ID", "EVENT TIME (UTC)", "INSTRUMENT", "TOOK", "HOPS", "ORDERS", "FILLS", "ERRORS"]]
    for chain in chains {
      rows.append([
        chain.name + (chain.span > 1 ? " +\(chain.span - 1)" : ""), chain.id, Self.utc(chain.eventNs), chain.instrument ?? "",
        Self.duration(chain.durationNs), "\(chain.hops)", Self.count(chain.orders), Self.count(chain.fills), Self.count(chain.errors),
      ])
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.enumerated().map { number, row in
      var line = ""
      for (column, text) in row.enumerated() {
        let pad = String(repeating: " ", count: widths[column] - text.count)
        let cell = column >= 4 ? pad + text : column == row.count - 1 ? text : text + pad
        line += number == 0 ? paint(cell, .grey) : painted(cell, column)
        line += column == row.count - 1 ? "" : "  "
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }

  private func painted(_ cell: String, _ column: Int) -> String {
    switch column {
    case 0: paint(cell, .plain, bold: true)
    case 1: paint(cell, .grey)
    case 8: cell.contains { $0 != " " } ? paint(cell, .red, bold: true) : cell
    default: cell
    }
  }

  private static func count(_ value: Int) -> String { value == 0 ? "" : "\(value)" }

  // MARK: the tree

  public func tree(_ tree: ChainTree) -> String {
    var facts = [tree.graph]
    if let instrument = tree.instrument { facts.append(instrument) }
    facts.append(Self.utc(tree.eventNs) + " UTC")
    facts.append("took \(Self.duration(tree.durationNs))")
    facts.append("\(tree.orders) order\(tree.orders == 1 ? "" : "s")")
    facts.append("\(tree.fills) fill\(tree.fills == 1 ? "" : "s")")
    if tree.errors > 0 { facts.append(paint("\(tree.errors) error\(tree.errors == 1 ? "" : "s")", .red, bold: true)) }
    var lines = [
      paint("chain \(tree.id)", .plain, bold: true) + "  " + paint(tree.name, .cyan), facts.joined(separator: "  "), "",
    ]
    for alias in tree.aliases { lines.insert("order #\(alias.order) is known outside as \(alias.outside)", at: lines.count - 1) }
    for link in tree.about {
      lines.insert("about an order of chain " + paint(link.name, .cyan) + " " + paint(link.id, .grey), at: lines.count - 1)
    }
    var drawn: [(left: String, width: Int, right: String)] = []
    for root in tree.roots { draw(root, lead: "", below: "", &drawn) }
    for later in tree.later {
      drawn.append(("", 0, ""))
      let head = "later: +\(Self.duration(later.afterNs))"
      drawn.append((paint(head, .yellow) + " in chain " + paint(later.name, .cyan) + " " + paint(later.id, .grey), 0, ""))
      for (index, hop) in later.hops.enumerated() {
        let isLast = index == later.hops.count - 1
        draw(hop, lead: isLast ? "└─ " : "├─ ", below: isLast ? "   " : "│  ", &drawn)
      }
    }
    let width = drawn.map(\.width).max() ?? 0
    for line in drawn {
      let pad = line.right.isEmpty ? "" : String(repeating: " ", count: width - line.width + 2)
      lines.append(line.left + pad + line.right)
    }
    return lines.joined(separator: "\n")
  }

  /// A hop's own line has columns on its right; what belongs to it stands below it.
  private func draw(_ hop: ChainTree.Hop, lead: String, below: String, _ drawn: inout [(left: String, width: Int, right: String)]) {
    let code = hop.plugin.isEmpty ? "" : " \(hop.plugin)@\(hop.version)"
    let shown = lead + hop.node + code
    let left = paint(lead, .grey) + paint(hop.node, hop.status < 0 ? .red : .plain, bold: true) + paint(code, .grey)
    drawn.append((left, shown.count, figures(hop)))
    let margin = below + (hop.children.isEmpty ? "   " : "│  ")
    func detail(_ text: String) { drawn.append((paint(margin, .grey) + text, 0, "")) }
    for event in hop.events {
      let arrow = paint(event.isOutput ? "-> " : "<- ", .grey)
      let name = event.type == "order" || event.type == "execution" ? paint(event.type, .green, bold: true) : event.type
      detail(arrow + name + " " + event.text)
    }
    for note in hop.notes { detail(paint("note ", .grey) + "\(note.key): \(note.text)") }
    if let first = hop.parentFirst { detail(paint("from ", .grey) + "\(first) and those after it") }
    for (index, child) in hop.children.enumerated() {
      let isLast = index == hop.children.count - 1
      draw(child, lead: below + (isLast ? "└─ " : "├─ "), below: below + (isLast ? "   " : "│  "), &drawn)
    }
  }

  private func figures(_ hop: ChainTree.Hop) -> String {
    var parts: [String] = []
    if hop.isTimed {
      parts.append(Self.left("+" + Self.offset(hop.offsetNs), 12))
      parts.append(paint(Self.left(hop.kind == "source" && hop.durationNs == 0 ? "" : Self.duration(hop.durationNs), 9), .plain, bold: true))
    } else {
      parts.append(paint(Self.left("not timed", 23), .grey))
    }
    if let latency = hop.latency, latency.count > 0 {
      parts.append(paint("p50 \(Self.left(Self.duration(Int64(latency.p50)), 7)) p99 \(Self.left(Self.duration(Int64(latency.p99)), 7))", .grey))
    }
    if hop.isTimed, hop.block > 1 {
      let each = hop.durationNs / Int64(hop.block)
      parts.append(paint("block of \(hop.block)" + (hop.durationNs > 0 ? ", \(Self.duration(each)) an event" : ""), .grey))
    }
    if hop.kind != "batch" && hop.kind != "source" { parts.append(paint(hop.kind, .grey)) }
    if hop.status < 0 { parts.append(paint("failed (\(Self.status(hop.status)))", .red, bold: true)) }
    return parts.joined(separator: "  ")
  }

  // MARK: units

  private static func left(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  static func status(_ status: Int) -> String {
    let names = ["invalid", "misuse", "full", "io", "not found", "unsupported", "denied", "gone", "overflow", "timeout", "bug"]
    return -status >= 1 && -status <= names.count ? names[-status - 1] : "\(status)"
  }

  /// 840 ns, 1.3 us, 25 ms, 2.5 s, 3.0 h.
  static func duration(_ ns: Int64) -> String {
    let magnitude = Double(ns.magnitude)
    let sign = ns < 0 ? "-" : ""
    func scaled(_ value: Double, _ unit: String) -> String {
      let tenths = Int64((value * 10).rounded())
      return sign + (value >= 100 ? "\(Int64(value.rounded()))" : "\(tenths / 10).\(tenths % 10)") + " " + unit
    }
    switch magnitude {
    case ..<1e3: return "\(ns) ns"
    case ..<1e6: return scaled(magnitude / 1e3, "us")
    case ..<1e9: return scaled(magnitude / 1e6, "ms")
    case ..<120e9: return scaled(magnitude / 1e9, "s")
    case ..<7200e9: return scaled(magnitude / 60e9, "min")
    default: return scaled(magnitude / 3600e9, "h")
    }
  }

  /// Like a duration, and precise enough to tell neighbouring hops apart.
  static func offset(_ ns: Int64) -> String {
    switch ns {
    case ..<10_000: "\(ns) ns"
    case ..<10_000_000: exactText(ns / 10, 2) + " us"
    case ..<10_000_000_000: exactText(ns / 1_000, 3) + " ms"
    default: exactText(ns / 1_000_000, 3) + " s"
    }
  }

  /// `2024-01-05 13:30:00.250`.
  public static func utc(_ ns: Int64) -> String { utcText(ns) }
}
