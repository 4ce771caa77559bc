import GantryBase
import GantryManifest
import GantryModels

/// `models:NAME@SELECTOR` in artifact parameters to versions of models, each looked up once.
final class ModelBinder {
  private let report: GraphReport
  private let folders: ModelFolders
  private let pins: [String: Model]
  private var known: [String: Result<Model, GantryError>] = [:]

  init(report: GraphReport, folders: ModelFolders, pins: [String: Model]) {
    self.report = report
    self.folders = folders
    self.pins = pins
  }

  /// The model, or nil, and reported at its place.
  ///
  /// - Parameter owner: `node.param`; a pin of it counts as long as the file says the same reference
  func model(_ text: String, of owner: String, at place: Place) -> Model? {
    do throws(GantryError) {
      let reference = try ModelReference(text)
      if let pin = pins[owner], pin.reference == reference.text { return pin }
      let result: Result<Model, GantryError>
      if let found = known[reference.text] { result = found } else { result = look(reference) }
      known[reference.text] = result
      return try result.get()
    } catch {
      // A mistake inside the models folder keeps its own place; the graph's is where it was asked for.
      report.add(
        error.diagnostics.map { mistake in
          guard let own = mistake.place else {
            var mistake = mistake
            mistake.place = place
            return mistake
          }
          var mistake = mistake
          mistake.help.append("\(place.file):\(place.line) asks for it: \(text.prefix(80))")
          mistake.place = own
          return mistake
        })
      return nil
    }
  }

  private func look(_ reference: ModelReference) -> Result<Model, GantryError> {
    do throws(GantryError) { return .success(try folders.resolve(reference)) } catch { return .failure(error) }
  }
}
