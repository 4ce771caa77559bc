import GantryBase

/// A plugin's description, for a person.
enum PluginText {
  static func render(_ plugin: PluginDescription, paint: Paint) -> String {
    var lines = ["", "  " + paint("\(plugin.id)@\(plugin.version)", .plain, bold: true) + "  " + paint(plugin.kind.rawValue, .cyan)]
    lines.append("  " + plugin.summary)
    lines.append("")
    var facts = ["effects \(plugin.effects.rawValue)", "determinism \(plugin.determinism.rawValue)"]
    if plugin.isStateless { facts.append("stateless") }
    if plugin.wantsSingle || plugin.usesTimers { facts.append("one event a call") }
    if plugin.usesTimers { facts.append("uses timers") }
    if plugin.stopsAtOutput { facts.append("runs of events in loops") }
    if plugin.isResident { facts.append("stays in memory") }
    facts.append("needs " + (plugin.needs.isEmpty ? "nothing" : plugin.needs.map(\.rawValue).joined(separator: ", ")))
    if !plugin.mayNeed.isEmpty { facts.append("with some parameters " + plugin.mayNeed.map(\.rawValue).joined(separator: ", ")) }
    lines.append("  " + facts.joined(separator: " · "))
    if !plugin.extensions.isEmpty { lines.append("  offers " + plugin.extensions.joined(separator: ", ")) }
    lines.append("  " + paint("ABI \(plugin.abi), built with \(plugin.builtWith), \(plugin.path)", .grey))
    section("inputs", plugin.inputs.map(port), &lines, paint)
    section("outputs", plugin.outputs.map(port), &lines, paint)
    section("parameters", plugin.parameters.map(parameter), &lines, paint)
    lines.append("")
    return lines.joined(separator: "\n")
  }

  private static func section(_ title: String, _ rows: [(String, String, String)], _ lines: inout [String], _ paint: Paint) {
    guard !rows.isEmpty else { return }
    lines.append("")
    lines.append("  " + paint(title, .plain, bold: true))
    let first = rows.map(\.0.count).max() ?? 0
    let second = min(rows.map(\.1.count).max() ?? 0, 44)
    for row in rows {
      lines.append("    " + row.0.padded(first) + "  " + paint(row.1.padded(second), .cyan) + "  " + row.2)
    }
  }

  private static func port(_ port: PortDescription) -> (String, String, String) {
    var type = port.type.name
    if port.isOptional { type += ", optional" }
    if port.takesMany { type += ", many" }
    return (port.name, type, port.help)
  }

  private static func parameter(_ parameter: ParameterDescription) -> (String, String, String) {
    var type = parameter.kind == .choice ? parameter.choices.joined(separator: "|") : parameter.kind.name
    if !parameter.unit.isEmpty { type += " (\(parameter.unit))" }
    if let minimum = parameter.minimum { type += parameter.isAboveMinimum ? " > \(short(minimum))" : " >= \(short(minimum))" }
    if let maximum = parameter.maximum { type += " <= \(short(maximum))" }
    if parameter.isRequired { type += ", required" }
    if !parameter.defaultText.isEmpty { type += " = \(parameter.defaultText)" }
    if parameter.isLive { type += ", live" }
    return (parameter.name, type, parameter.help)
  }

  private static func short(_ value: Double) -> String {
    value == value.rounded() && value.magnitude < 1e15 ? String(Int64(value)) : String(value)
  }
}
