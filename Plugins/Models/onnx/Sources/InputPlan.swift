import COnnxRuntime
import GantrySDK

/// Which columns go where into which input, with every dimension settled.
///
/// The first dimension is the batch, which is 1 here. Of the others each is a number of columns, or
/// `window` rows of them; one that the model leaves open is settled by parameters, or refused.
struct InputPlan {
  struct Input {
    var name: Text
    /// ORT_ELEMENT_FLOAT or ORT_ELEMENT_DOUBLE.
    var element: Int32
    var shape: [Int64]
    /// Where its first column is in the gathered row, and how many there are.
    var offset: Int
    var width: Int
    var takesWindow: Bool
    /// [1, columns, window] instead of [1, window, columns].
    var isColumnsFirst: Bool
  }

  /// How the axes of a window lie.
  enum Layout: Int64 { case auto, windowFirst, columnsFirst }

  private(set) var inputs: [Input] = []
  /// The gathered row: for each place the column of the node's input, and its name.
  private(set) var columns: [Int] = []
  private(set) var columnNames: [Text] = []
  var takesWindow: Bool {
    for input in inputs where input.takesWindow { return true }
    return false
  }

  private let session: Session
  private let schema: Schema
  private let window: Int
  private let layout: Layout

  /// - Parameters:
  ///   - columns: the parameter `columns`; nil when it is not given
  ///   - assignments: the parameter `inputs`: `INPUT=COLUMN`
  init(_ session: Session, _ schema: Schema, columns: [Text]?, assignments: [Text], window: Int, layout: Layout) throws(Failure) {
    self.session = session
    self.schema = schema
    self.window = window
    self.layout = layout
    let assigned = try InputPlan.parse(assignments, session)
    if session.inputs.isEmpty { throw Failure.invalid("the model has no inputs") }
    if columns != nil, session.inputs.count > 1 || !assignments.isEmpty {
      throw Failure.invalid("`columns` is for a model with one input, and instead of `inputs`; this one has \(shapes(session.inputs)): write inputs: [INPUT=COLUMN, ...]")
    }
    for (index, slot) in session.inputs.enumerated() {
      var names = assigned[index]
      var areNamed = true
      if names.isEmpty {
        if session.inputs.count > 1 {
          names = [slot.name]
          guard position(of: slot.name) != nil else {
            throw Failure.invalid("no column is named like the model's input \"\(slot.name)\"; write inputs: [\(slot.name)=COLUMN, ...] with columns of \(list(available))")
          }
        } else if let given = columns ?? session.columns {
          names = given
        } else {
          names = available
          areNamed = false
        }
      }
      try add(slot, names, areNamed: areNamed)
    }
    if window > 1, !takesWindow {
      throw Failure.invalid("window is \(window), but no input of the model takes rows over time: it has \(shapes(session.inputs)); leave out `window`")
    }
  }

  private static func parse(_ assignments: [Text], _ session: Session) throws(Failure) -> [[Text]] {
    var assigned = [[Text]](repeating: [], count: session.inputs.count)
    var names: [Text] = []
    for slot in session.inputs { names.append(slot.name) }
    for assignment in assignments {
      var equals = -1
      for (index, byte) in assignment.bytes.enumerated() where byte == 61 { equals = index }
      guard equals > 0, equals < assignment.bytes.count - 1 else {
        throw Failure.invalid("inputs: \"\(assignment)\" is not INPUT=COLUMN; name an input again for each further column")
      }
      let name = Text(bytes: [UInt8](assignment.bytes[..<equals]))
      guard let index = names.firstIndex(where: { $0 == name }) else {
        var hint: Text = ""
        if let near = nearest(to: name, among: names) { hint = "did you mean \"\(near)\"? " }
        throw Failure.invalid("inputs: the model has no input \"\(name)\"; \(hint)it has \(shapes(session.inputs))")
      }
      assigned[index].append(Text(bytes: [UInt8](assignment.bytes[(equals + 1)...])))
    }
    return assigned
  }

  private var available: [Text] {
    var names: [Text] = []
    for index in 0..<schema.columnCount { names.append(Text(schema.column(index))) }
    return names
  }

  private func position(of name: Text) -> Int? {
    for index in 0..<schema.columnCount where schema.column(index) == name { return index }
    return nil
  }

  private mutating func add(_ slot: Session.Slot, _ names: [Text], areNamed: Bool) throws(Failure) {
    guard slot.kind == ORT_KIND_TENSOR, slot.element == ORT_ELEMENT_FLOAT || slot.element == ORT_ELEMENT_DOUBLE else {
      throw Failure.invalid(
        "the model's input \"\(slot.name)\" is \(slot.text), and columns are numbers; export it with float or double inputs (skl2onnx: FloatTensorType, DoubleTensorType)")
    }
    let start = columns.count
    for name in names {
      guard let position = position(of: name) else {
        var hint: Text = ""
        if let near = nearest(to: name, among: available) { hint = "did you mean \"\(near)\"? " }
        throw Failure.invalid("the model needs the column \"\(name)\", which its input does not have; \(hint)the input's columns are \(list(available))")
      }
      columns.append(position)
      columnNames.append(name)
    }
    var input = Input(name: slot.name, element: slot.element, shape: slot.shape, offset: start, width: names.count, takesWindow: false, isColumnsFirst: false)
    try settle(&input, slot, areNamed: areNamed)
    inputs.append(input)
  }

  private func settle(_ input: inout Input, _ slot: Session.Slot, areNamed: Bool) throws(Failure) {
    let rank = input.shape.count
    if rank > 3 {
      throw Failure.invalid("the model's input \"\(slot.name)\" is \(slot.text); at most [1, window, columns] can be made of rows")
    }
    // [columns] without a batch, or a batch of single values.
    if rank <= 1 { return try settleWidth(&input, slot, at: 0, areNamed: areNamed) }
    if input.shape[0] > 1 {
      throw Failure.invalid(
        "the model's input \"\(slot.name)\" is \(slot.text): it takes \(input.shape[0]) rows at once, but events come one by one; export it with a dynamic first dimension (skl2onnx: [None, \(input.width)], torch: dynamic_axes), or with 1"
      )
    }
    input.shape[0] = 1
    if rank == 2 {
      if window > 1, input.shape[1] == Int64(window * input.width), input.width > 0 {
        input.takesWindow = true
        input.isColumnsFirst = layout == .columnsFirst
        return
      }
      return try settleWidth(&input, slot, at: 1, areNamed: areNamed)
    }
    try settleWindow(&input, slot)
  }

  private func settleWidth(_ input: inout Input, _ slot: Session.Slot, at axis: Int, areNamed: Bool) throws(Failure) {
    let declared = axis < input.shape.count ? input.shape[axis] : 1
    if declared == Int64(input.width) { return }
    if declared < 0 {
      if !areNamed {
        throw Failure.invalid(
          "the model's input \"\(slot.name)\" is \(slot.text) and does not say how many columns it was trained on; name them in their order with columns: [\(list(available))]")
      }
      input.shape[axis] = Int64(input.width)
      return
    }
    let remedy: Text
    if declared == 1, session.inputs.count > 1 {
      remedy = "give it one"
    } else if declared > 1, input.width > 0, declared % Int64(input.width) == 0, window == 1 {
      remedy = "name the columns it was trained on, in their order, with `columns`, or set window: \(declared / Int64(input.width)) if it looks at as many rows"
    } else {
      remedy = "name the columns it was trained on, in their order, with `columns`"
    }
    let from: Text = areNamed ? "" : ", all of the node's input,"
    throw Failure.invalid("the model's input \"\(slot.name)\" is \(slot.text), but \(input.width) columns\(from) go into it (\(list(columnNames))); \(remedy)")
  }

  private func settleWindow(_ input: inout Input, _ slot: Session.Slot) throws(Failure) {
    let rows = Int64(window)
    let width = Int64(input.width)
    func fits(_ dimension: Int64, _ count: Int64) -> Bool { dimension < 0 || dimension == count }
    let windowFirst = fits(input.shape[1], rows) && fits(input.shape[2], width)
    let columnsFirst = fits(input.shape[1], width) && fits(input.shape[2], rows)
    input.takesWindow = window > 1
    if layout != .columnsFirst, windowFirst, layout == .windowFirst || !columnsFirst || rows == 1 && input.shape[1] == 1 {
      input.shape = [1, rows, width]
    } else if layout != .windowFirst, columnsFirst, layout == .columnsFirst || !windowFirst {
      input.shape = [1, width, rows]
      input.isColumnsFirst = true
    } else if windowFirst, columnsFirst {
      throw Failure.invalid(
        "the model's input \"\(slot.name)\" is \(slot.text), which could be [1, window, columns] or [1, columns, window]; say which with layout: window_first or layout: columns_first")
    } else {
      var hint: Text = "set `window` and `columns` to what it was trained on"
      if window == 1, input.shape[2] == width, input.shape[1] > 1 { hint = "set window: \(input.shape[1])" }
      if window == 1, input.shape[1] == width, input.shape[2] > 1 { hint = "set window: \(input.shape[2])" }
      throw Failure.invalid("the model's input \"\(slot.name)\" is \(slot.text), which does not fit a window of \(window) rows of \(input.width) columns; \(hint)")
    }
  }
}

/// The inputs or outputs of a model with their shapes.
func shapes(_ slots: [Session.Slot]) -> Text {
  var texts: [Text] = []
  for slot in slots { texts.append("\"\(slot.name)\" \(slot.text)") }
  return list(texts)
}
