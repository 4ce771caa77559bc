import GantryBase

/// `plugin: id@requirement` to the description of what is installed.
struct PluginBinder {
  let report: GraphReport
  let catalog: PluginCatalog
  private var answers: [String: PluginDescription?] = [:]

  init(report: GraphReport, catalog: @escaping PluginCatalog) {
    self.report = report
    self.catalog = catalog
  }

  /// Nil, and reported, when the plugin is not to be had.
  mutating func description(_ word: Word) -> PluginDescription? {
    // Once for each text: a plugin that several nodes use is one mistake at the first of them.
    if let known = answers[word.text] { return known }
    let answer = lookUp(word)
    answers[word.text] = answer
    return answer
  }

  static func parts(_ text: String) -> (id: String, requirement: String?) {
    guard let at = text.firstIndex(of: "@") else { return (text, nil) }
    return (String(text[..<at]), String(text[text.index(after: at)...]))
  }

  private func lookUp(_ word: Word) -> PluginDescription? {
    let (id, text) = Self.parts(word.text)
    guard !id.isEmpty, id.utf8.allSatisfy({ GraphReader.isNameByte($0) }) else {
      report.error(
        .badName, "\(quoted(id)) is no plugin id: it has lower-case letters, digits and dashes", at: word.place,
        help: [report.didYouMean(id, [id.lowercased()])])
      return nil
    }
    let requirement = text.flatMap { VersionRequirement($0) }
    if let text, requirement == nil {
      report.error(.badRequirement, "\(quoted("@" + text)) is no version requirement", at: word.place, help: ["write \(id)@1.2.3, \(id)@~1.2 or \(id)@^1.2"])
      return nil
    }
    switch catalog(id, text) {
    case .found(let description):
      guard let requirement else { return description }
      guard let version = SemanticVersion(description.version), requirement.isMet(by: version) else {
        report.error(
          .pluginVersion, "\(id) \(description.version) is installed, \(requirement) is asked for", at: word.place,
          help: ["install a version that meets \(requirement), or write \(id)@^\(description.version)"])
        return nil
      }
      return description
    case .missing(let installed):
      report.error(
        .unknownPlugin, "no plugin \(quoted(id)) is installed; there are: \(listed(installed))", at: word.place,
        help: [report.didYouMean(id, installed), installed.isEmpty ? "`plugins: { path: [FOLDER] }` says where plugins are" : nil])
      return nil
    case .refused(let reason):
      // The code is that of whoever refuses it; the place is where the graph asks for it.
      var mistake = reason
      mistake.text = "\(id) is installed and cannot be used: \(reason.text)"
      mistake.place = word.place
      report.add([mistake])
      return nil
    }
  }
}
