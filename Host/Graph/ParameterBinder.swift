import GantryBase
import GantryManifest
import GantryModels

/// A node's `params:` and its plugin's declarations to typed values.
struct ParameterBinder {
  let report: GraphReport
  let paths: PathResolver
  let instruments: [Instrument]
  let instrumentsAreComplete: Bool
  let models: ModelBinder

  func bind(_ draft: NodeDraft, to plugin: PluginDescription) -> (values: [ParameterValue], places: [Place?], models: [Int: Model]) {
    for entry in draft.parameters where !plugin.parameters.contains(where: { $0.name == entry.key.text }) {
      let names = plugin.parameters.map(\.name)
      report.error(
        .unknownParameter, "\(plugin.id) has no parameter \(quoted(entry.key.text)); it has: \(listed(names))", at: entry.key.place,
        help: [report.didYouMean(entry.key.text, names), "`gantry plugin inspect \(plugin.id)` explains them"])
    }
    var values: [ParameterValue] = []
    var places: [Place?] = []
    var found: [Int: Model] = [:]
    for parameter in plugin.parameters {
      let entry = draft.parameters.first { $0.key.text == parameter.name }
      let reader = ParameterReader(report: report, paths: paths, binder: self, plugin: plugin, parameter: parameter)
      if let entry, parameter.kind == .artifact, let text = entry.value.text, ModelReference.isOne(text) {
        let model = models.model(text, of: "\(draft.name).\(parameter.name)", at: entry.value.place)
        found[values.count] = model
        values.append(model.map { .artifact(path: $0.path) } ?? .unset)
        places.append(entry.value.place)
      } else if let entry {
        values.append(reader.given(entry) ?? .unset)
        places.append(entry.value.place)
      } else {
        if parameter.isRequired, parameter.defaultText.isEmpty, !draft.isIncomplete {
          report.error(
            .missingParameter, "\(draft.title) needs \(parameter.name): \(parameter.help.isEmpty ? parameter.kind.name : parameter.help)",
            at: draft.parametersPlace?.firstColumn ?? draft.plugin?.place ?? draft.place, help: ["add `\(parameter.name): \(reader.example)` to its params"])
        }
        values.append(reader.defaulted(at: draft.plugin?.place ?? draft.place))
        places.append(nil)
      }
    }
    return (values, places, found)
  }
}
