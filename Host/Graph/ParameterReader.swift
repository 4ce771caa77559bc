import GantryBase
import GantryManifest

/// The text of one parameter to its typed value, by the rules its plugin declares.
struct ParameterReader {
  let report: GraphReport
  let paths: PathResolver
  let binder: ParameterBinder
  let plugin: PluginDescription
  let parameter: ParameterDescription

  /// What the file says; nil, and reported, when it will not do.
  func given(_ entry: ManifestEntry) -> ParameterValue? {
    if entry.value.isNull {
      report.error(.emptyValue, "\(parameter.name) has no value", at: entry.key.place, help: ["write `\(parameter.name): \(example)`, or remove it"])
      return nil
    }
    return value(of: entry.value)
  }

  /// The plugin's default, or unset.
  func defaulted(at place: Place) -> ParameterValue {
    guard !parameter.defaultText.isEmpty else { return .unset }
    // Its mistakes are the plugin's, so they are collected apart.
    let inner = GraphReport()
    let reader = ParameterReader(report: inner, paths: paths, binder: binder, plugin: plugin, parameter: parameter)
    let text = parameter.defaultText
    let node: ManifestNode
    if parameter.kind == .texts || parameter.kind == .numbers {
      let list = text.hasPrefix("[") ? text : "[" + text + "]"
      let (tree, _) = ManifestParser.parse(bytes: Array(list.utf8), file: place.file)
      node = tree ?? ManifestNode(text: text, at: place)
    } else {
      node = ManifestNode(.scalar(ManifestScalar(text: text, style: .quoted)), at: place)
    }
    let value = reader.value(of: node)
    if let mistake = inner.diagnostics.first(where: { $0.severity == .error }) {
      report.error(
        .badDefault, "\(plugin.id)'s own default of \(parameter.name) will not do: \(mistake.text)", at: place,
        help: ["give \(parameter.name) in params", "tell the plugin's author"])
    }
    return value ?? .unset
  }

  func value(of node: ManifestNode) -> ParameterValue? {
    if parameter.kind != .secret, let text = node.text, SecretReference(text) != nil {
      report.error(
        .secretMisplaced, "\(parameter.name) is no secret, so it cannot come from \(text)", at: node.place,
        help: ["write the value itself; --set changes it from the command line"])
      return nil
    }
    switch parameter.kind {
    case .texts, .numbers: return list(node)
    case .secret: return secret(node)
    default:
      guard let text = node.text else {
        report.error(.wrongShape, "\(parameter.name) is \(article), this is \(node.shape)", at: node.place, help: ["write `\(parameter.name): \(example)`"])
        return nil
      }
      return scalar(text, at: node.place)
    }
  }

  private func scalar(_ text: String, at place: Place) -> ParameterValue? {
    switch parameter.kind {
    case .bool:
      if text == "true" || text == "false" { return .bool(text == "true") }
      let meant = ["yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"][text.lowercased()]
      return wrong(text, at: place, meant.map { "write \($0)" } ?? "write true or false")
    case .integer:
      guard let decimal = parseDecimal(text), decimal.digits == 0, !text.contains(".") else { return wrong(text, at: place) }
      return isInRange(Double(decimal.mantissa), text, at: place) ? .integer(decimal.mantissa) : nil
    case .number:
      guard let number = parseNumber(text) else { return wrong(text, at: place) }
      return isInRange(number, text, at: place) ? .number(number) : nil
    case .decimal:
      guard let (mantissa, digits) = parseDecimal(text) else { return wrong(text, at: place, "write it out in digits, as \(example)") }
      return isInRange(parseNumber(text) ?? .nan, text, at: place) ? .decimal(mantissa: mantissa, digits: digits) : nil
    case .duration:
      guard let nanoseconds = parseDuration(text) else {
        return wrong(text, at: place, parseNumber(text) == nil ? "write \(example); the units are ns us ms s m h d" : "give it a unit: \(text)s, \(text)ms")
      }
      return isInRange(Double(nanoseconds) / 1e9, text, at: place) ? .durationNs(nanoseconds) : nil
    case .choice:
      guard let index = parameter.choices.firstIndex(of: text) else {
        report.error(
          .badChoice, "\(parameter.name) may be \(parameter.choices.joined(separator: ", ")), not \(quoted(text))", at: place,
          help: [report.didYouMean(text, parameter.choices)])
        return nil
      }
      return .choice(index: index, name: text)
    case .path: return path(text, at: place)
    case .artifact: return artifact(text, at: place)
    case .instrument: return instrument(text, at: place)
    default: return .text(text)
    }
  }

  private func list(_ node: ManifestNode) -> ParameterValue? {
    // A single value stands for a list of one.
    guard let items = node.sequence ?? (node.text == nil ? nil : [node]) else {
      report.error(.wrongShape, "\(parameter.name) is \(article), this is \(node.shape)", at: node.place, help: ["write `\(parameter.name): \(example)`"])
      return nil
    }
    var isGood = true
    var texts: [String] = []
    var numbers: [Double] = []
    for item in items {
      guard let word = report.word(item, "an item of \(parameter.name)") else {
        isGood = false
        continue
      }
      if parameter.kind == .numbers {
        if let number = parseNumber(word.text) {
          numbers.append(number)
        } else {
          report.error(.badType, "an item of \(parameter.name) is a number, this is \(quoted(word.text))", at: word.place, help: [unitHint])
          isGood = false
        }
      } else if !parameter.choices.isEmpty, !parameter.choices.contains(word.text) {
        report.error(
          .badChoice, "\(parameter.name) may list \(parameter.choices.joined(separator: ", ")), not \(quoted(word.text))", at: word.place,
          help: [report.didYouMean(word.text, parameter.choices)])
        isGood = false
      } else {
        texts.append(word.text)
      }
    }
    guard isGood, isInRange(Double(items.count), "a list of \(items.count)", at: node.place) else { return nil }
    return parameter.kind == .numbers ? .numbers(numbers) : .texts(texts)
  }

  private func secret(_ node: ManifestNode) -> ParameterValue? {
    guard let text = node.text, let reference = SecretReference(text) else {
      report.hide(node.place)
      report.error(
        .secretLiteral, "\(parameter.name) is a secret, which never stands in a file", at: node.place,
        help: ["write `\(parameter.name): ${env:\(parameter.name.uppercased())}` or `${file:PATH}`"])
      return nil
    }
    if case .file(let path) = reference { return .secret(name: "file:" + paths.absolute(path, at: node.place)) }
    return .secret(name: reference.name)
  }

  private func path(_ text: String, at place: Place) -> ParameterValue? {
    guard !text.isEmpty else { return wrong(text, at: place) }
    let absolute = paths.absolute(text, at: place)
    // What a source reads should be there; what others write need not be, but its folder should.
    if plugin.kind == .source {
      if paths.files.kind(absolute) == nil {
        report.warning(.noPath, "nothing is at \(quoted(text)) now", at: place, help: ["it is looked for at \(absolute)"])
      }
    } else if paths.files.kind(absolute) == nil, paths.files.kind(PathResolver.folder(of: absolute)) != .folder {
      report.warning(.noPath, "the folder of \(quoted(text)) is not there now", at: place, help: ["it is looked for at \(PathResolver.folder(of: absolute))"])
    }
    return .path(absolute)
  }

  private func artifact(_ text: String, at place: Place) -> ParameterValue? {
    guard !text.isEmpty else { return wrong(text, at: place) }
    let absolute = paths.absolute(text, at: place)
    switch paths.files.kind(absolute) {
    case .file: return .artifact(path: absolute)
    case nil: report.error(.noFile, "the file of \(parameter.name) is not there", at: place, help: ["it is looked for at \(absolute)"])
    case .folder, .other:
      report.error(.noFile, "\(parameter.name) is a file, this is a folder or a device", at: place, help: ["it is looked for at \(absolute)"])
    }
    return nil
  }

  private func instrument(_ text: String, at place: Place) -> ParameterValue? {
    if let index = binder.instruments.firstIndex(where: { $0.symbol == text }) { return .instrument(id: UInt32(index + 1), symbol: text) }
    if binder.instrumentsAreComplete {
      let symbols = binder.instruments.map(\.symbol)
      report.error(
        .unknownInstrument, "the graph has no instrument \(quoted(text)); it has: \(listed(symbols))", at: place,
        help: [report.didYouMean(text, symbols), "add it under `instruments:`"])
    }
    return nil
  }

  private func isInRange(_ value: Double, _ text: String, at place: Place) -> Bool {
    let isBelow = parameter.minimum.map { value < $0 || parameter.isAboveMinimum && value == $0 } ?? false
    let isAbove = parameter.maximum.map { value > $0 } ?? false
    if isBelow || isAbove || value.isNaN {
      report.error(.outOfRange, "\(parameter.name) is \(text); it must be \(range)", at: place)
      return false
    }
    return true
  }

  private func wrong(_ text: String, at place: Place, _ help: String? = nil) -> ParameterValue? {
    report.error(
      .badType, "\(parameter.name) is \(article), this is \(quoted(text))", at: place, help: [help ?? unitHint ?? "write `\(parameter.name): \(example)`"])
    return nil
  }
}
