import GantryBase
import GantryManifest

/// One tree laid over another, for `profiles:`.
///
/// Mappings merge key by key and everything else is replaced; null takes a key away. Two rules
/// keep that sensible for nodes: `from` is replaced whole, and a node whose plugin changes loses
/// the params of the old one.
enum Overlay {
  /// The file with one profile applied; nil, and reported, when there is no such profile.
  static func apply(profile: String, to root: ManifestNode, report: GraphReport, file: String) -> ManifestNode? {
    let profiles = root["profiles"]?.entries ?? []
    guard let entry = profiles.first(where: { $0.key.text == profile }) else {
      let names = profiles.map(\.key.text)
      report.error(
        .unknownProfile, "the file has no profile \(quoted(profile)); it has: \(listed(names))",
        at: Place(file: file, line: 1, column: 1), help: [report.didYouMean(profile, names)])
      return nil
    }
    // What a profile may not hold is reported where profiles are checked, and not applied.
    let allowed = (entry.value.entries ?? []).filter { GraphReader.profileKeys.contains($0.key.text) }
    return merged(root, ManifestNode(.mapping(allowed), at: entry.value.place))
  }

  static func merged(_ base: ManifestNode, _ over: ManifestNode, path: [String] = []) -> ManifestNode {
    guard var entries = base.entries, let changes = over.entries, path.last != "from" || path.count != 3 else { return over }
    if path.count == 2, path[0] == "nodes", let old = base["plugin"]?.text, let new = over["plugin"]?.text, pluginID(old) != pluginID(new) {
      entries.removeAll { $0.key.text == "params" }
    }
    var indices: [String: Int] = [:]
    for (index, entry) in entries.enumerated() { indices[entry.key.text] = index }
    var removed: Set<Int> = []
    for change in changes {
      let index = indices[change.key.text]
      if change.value.isNull {
        if let index { removed.insert(index) }
      } else if let index {
        entries[index].value = merged(entries[index].value, change.value, path: path + [change.key.text])
      } else {
        entries.append(change)
      }
    }
    if !removed.isEmpty { entries = entries.indices.filter { !removed.contains($0) }.map { entries[$0] } }
    return ManifestNode(.mapping(entries), at: base.place)
  }

  static func pluginID(_ text: String) -> Substring { text.prefix { $0 != "@" } }
}

extension Overlay {
  /// A profile without the keys it takes away, for checking its shape.
  static func withoutNulls(_ node: ManifestNode) -> ManifestNode {
    guard let entries = node.entries else { return node }
    let kept = entries.filter { !$0.value.isNull }.map { ManifestEntry(key: $0.key, value: withoutNulls($0.value)) }
    return ManifestNode(.mapping(kept), at: node.place)
  }

  /// An overlay without its entries for single copies of repeated nodes, and those: they can only be
  /// laid over the copies once `for_each` has made them.
  static func parts(of change: ManifestNode, over root: ManifestNode) -> (whole: ManifestNode, copies: [ManifestEntry]) {
    guard var entries = change.entries, let index = entries.firstIndex(where: { $0.key.text == "nodes" }), let nodes = entries[index].value.entries else {
      return (change, [])
    }
    let repeated = (root["nodes"]?.entries ?? []).filter { $0.value["for_each"] != nil }.map { $0.key.text + "." }
    func isCopy(_ entry: ManifestEntry) -> Bool { repeated.contains { entry.key.text.hasPrefix($0) } }
    entries[index].value.content = .mapping(nodes.filter { !isCopy($0) })
    return (ManifestNode(.mapping(entries), at: change.place), nodes.filter(isCopy))
  }
}

extension GraphReader {
  /// Lays one entry over the node of its name: its plugin, params and from.
  func apply(_ entry: ManifestEntry, to nodes: inout [NodeDraft]) {
    guard let index = nodes.firstIndex(where: { $0.name == entry.key.text }), let template = nodes[index].template else { return }
    let change = node(ManifestEntry(key: ManifestKey(text: template, at: entry.key.place), value: entry.value))
    if let plugin = change.plugin {
      if Overlay.pluginID(plugin.text) != nodes[index].plugin.map({ Overlay.pluginID($0.text) }) { nodes[index].parameters = [] }
      nodes[index].plugin = plugin
    }
    for parameter in change.parameters {
      nodes[index].parameters.removeAll { $0.key.text == parameter.key.text }
      nodes[index].parameters.append(parameter)
    }
    if change.fromPlace != nil { (nodes[index].from, nodes[index].fromPlace) = (change.from, change.fromPlace) }
  }
}
