import CGantry
import GantrySDK

/// Where each of a model's features stands in the rows of the input, found by name.
enum ColumnMap {
  /// - Parameter named: the parameter `columns`: names in the model's order, in place of the file's
  static func columns(of model: TreeModel, named: [Text], in schema: Schema, file: Text) throws(Failure) -> [Int] {
    let wanted = try names(of: model, named: named, file: file)
    var offered: [Text] = []
    for index in 0..<schema.columnCount { offered.append(Text(schema.column(index))) }
    var columns: [Int] = []
    var missing: [Text] = []
    for name in wanted {
      var found = -1
      for (index, candidate) in offered.enumerated() where candidate == name {
        found = index
        break
      }
      if found < 0 { missing.append(name) }
      columns.append(found)
    }
    guard let first = missing.first else { return columns }
    var hint: Text = ""
    if let near = nearest(to: first, among: offered) { hint = "did you mean \"\(near)\"? " }
    if missing.count > 1 {
      throw Failure.invalid(
        "\(file): the model needs \(missing.count) columns that its input does not have: \(list(missing)); \(hint)the input's columns are \(list(offered))")
    }
    throw Failure.invalid("\(file): the model needs the column \"\(first)\", which its input does not have; \(hint)the input's columns are \(list(offered))")
  }

  private static func names(of model: TreeModel, named: [Text], file: Text) throws(Failure) -> [Text] {
    let wanted = named.isEmpty ? model.featureNames : named
    if !named.isEmpty, named.count != model.featureCount {
      throw Failure.invalid("\(file): the model has \(model.featureCount) features, but the parameter columns names \(named.count)")
    }
    if wanted.isEmpty {
      throw Failure.invalid(
        "\(file): the model's \(model.featureCount) features have no names; name them in the order of training: columns: [...], or train with feature_names")
    }
    for index in wanted.indices {
      for other in 0..<min(index, 4096) where wanted[other] == wanted[index] {
        throw Failure.invalid("\(file): the feature \"\(wanted[index])\" comes twice; name the columns in the order of training: columns: [...]")
      }
    }
    return wanted
  }

  /// Names with commas between them; of a long list the first ones.
  static func list(_ names: [Text]) -> Text {
    if names.isEmpty { return "none" }
    var text: Text = ""
    for (index, name) in names.enumerated() {
      if index == 12 { return "\(text) and \(names.count - index) more" }
      text = index == 0 ? name : "\(text), \(name)"
    }
    return text
  }
}
