import CGantry
import GantryModels

/// What `gantry.model/1` says of one instance's artifacts: a row for each parameter, all texts with it.
/// Built before configure and read by the host's function alone; freed after the instance.
final class ModelTable {
  /// By position of the parameter; a row whose size is 0 is no model.
  let rows: UnsafeMutablePointer<gantry_model_info>
  let count: Int
  private var owned: [UnsafeMutableRawPointer] = []

  /// Nil when no artifact comes from a models folder.
  init?(_ models: [Int: Model], parameters: Int) {
    guard !models.isEmpty else { return nil }
    count = parameters
    rows = .allocate(capacity: max(parameters, 1))
    rows.initialize(repeating: gantry_model_info(), count: max(parameters, 1))
    for (index, model) in models where index < parameters { rows[index] = row(model) }
  }

  deinit {
    for pointer in owned { pointer.deallocate() }
    rows.deallocate()
  }

  private func row(_ model: Model) -> gantry_model_info {
    let card = model.card
    let columns = UnsafeMutablePointer<gantry_string>.allocate(capacity: max(card.columns.count, 1))
    owned.append(UnsafeMutableRawPointer(columns))
    for (index, column) in card.columns.enumerated() { (columns + index).initialize(to: text(column)) }
    return gantry_model_info(
      size: UInt32(MemoryLayout<gantry_model_info>.size), reserved: 0, name: text(model.name), version: text(String(model.version)),
      format: text(card.format), sha256: text(card.sha256), training_data: text(card.trainingData ?? ""), library: text(card.library ?? ""),
      columns: UnsafePointer(columns), column_count: UInt64(card.columns.count))
  }

  private func text(_ value: String) -> gantry_string {
    let result = permanentText(value)
    if let data = result.data { owned.append(UnsafeMutableRawPointer(mutating: data)) }
    return result
  }
}
