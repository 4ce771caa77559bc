import COnnxRuntime
import GantrySDK

/// Which element of which output is the prediction's value, its probability and its label.
///
/// Parameters name them: `NAME` or `NAME[INDEX]`. Where none does, it is read from the outputs: one
/// that is called `value`, `probability` or `label`; a classifier's label beside the probabilities of
/// two classes; or the only single number.
struct OutputPlan {
  /// An output as a run gave it.
  struct Output {
    var slot: Session.Slot
    /// What came out, or nil where it is no tensor of numbers.
    var shape: [Int64]?
    var count: Int {
      guard let shape else { return 0 }
      var count = 1
      for dimension in shape { count *= Int(dimension) }
      return count
    }
    var isReal: Bool { shape != nil && (slot.element == ORT_ELEMENT_FLOAT || slot.element == ORT_ELEMENT_DOUBLE) }
    var isInteger: Bool {
      shape != nil && (slot.element == ORT_ELEMENT_INT64 || slot.element == ORT_ELEMENT_INT32 || slot.element == ORT_ELEMENT_BOOL)
    }
  }

  /// One number of one output.
  struct Place: Equatable {
    var output: Int
    var index: Int
  }

  private(set) var value: Place?
  private(set) var probability: Place?
  private(set) var label: Place?
  let outputs: [Output]

  init(_ outputs: [Output], value: Text, probability: Text, label: Text) throws(Failure) {
    self.outputs = outputs
    if value.bytes.isEmpty, probability.bytes.isEmpty, label.bytes.isEmpty {
      try infer()
    } else {
      self.value = try place(value, "value")
      self.probability = try place(probability, "probability")
      self.label = try place(label, "label")
    }
    if self.value == nil, self.probability == nil, self.label == nil {
      throw Failure.invalid("none of the model's outputs is used; name one with `value`, `probability` or `label`: \(described)")
    }
  }

  private var described: Text {
    var texts: [Text] = []
    for output in outputs { texts.append("\"\(output.slot.name)\" \(output.slot.text)") }
    return "it has \(list(texts))"
  }

  /// The place that a parameter names.
  private func place(_ text: Text, _ parameter: StaticString) throws(Failure) -> Place? {
    if text.bytes.isEmpty { return nil }
    var names: [Text] = []
    for (index, output) in outputs.enumerated() {
      names.append(output.slot.name)
      if output.slot.name == text { return try place(index, nil, parameter) }
    }
    var name = text
    var element: Int?
    if text.bytes.last == 93, let bracket = text.bytes.lastIndex(of: 91) {
      name = Text(bytes: [UInt8](text.bytes[..<bracket]))
      var number = 0
      for byte in text.bytes[(bracket + 1)..<(text.bytes.count - 1)] {
        guard byte >= 48, byte <= 57, number < 1 << 40 else { throw Failure.invalid("\(parameter): \"\(text)\" is not NAME[INDEX]; an index is a number from 0") }
        number = number * 10 + Int(byte - 48)
      }
      element = number
    }
    for (index, output) in outputs.enumerated() where output.slot.name == name { return try place(index, element, parameter) }
    var hint: Text = ""
    if let near = nearest(to: name, among: names) { hint = "did you mean \"\(near)\"? " }
    throw Failure.invalid("\(parameter): the model has no output \"\(name)\"; \(hint)\(described)")
  }

  private func place(_ index: Int, _ element: Int?, _ parameter: StaticString) throws(Failure) -> Place {
    let output = outputs[index]
    let name = output.slot.name
    if output.slot.kind != ORT_KIND_TENSOR { throw zipMap(output) }
    if !output.isReal, !output.isInteger {
      throw Failure.invalid("\(parameter): the output \"\(name)\" is \(output.slot.text), no number; \(OutputPlan.textRemedy)")
    }
    if parameter.utf8CodeUnitCount == 5, parameter.utf8Start[0] == 108, !output.isInteger {
      throw Failure.invalid("label: the output \"\(name)\" is \(output.slot.text); a label is an integer. A score or a probability is `value` or `probability`")
    }
    if let element {
      guard element < output.count else {
        throw Failure.invalid("\(parameter): \"\(name)\" has \(output.count) elements for one row, so its indices end with \(output.count - 1)")
      }
      return Place(output: index, index: element)
    }
    guard output.count == 1 else {
      throw Failure.invalid("\(parameter): \"\(name)\" has \(output.count) elements for one row; say which: \(name)[0] ... \(name)[\(output.count - 1)]")
    }
    return Place(output: index, index: 0)
  }

  private static var textRemedy: Text { "train with classes 0, 1, ... instead of texts, or leave this output out" }

  private func zipMap(_ output: Output) -> Failure {
    Failure.invalid(
      "the output \"\(output.slot.name)\" is \(output.slot.text) of maps (ZipMap), which costs allocations for every row; export with options={'zipmap': False}: convert_sklearn(model, ..., options={id(model): {'zipmap': False}})"
    )
  }

  private mutating func infer() throws(Failure) {
    var isNamed = false
    for (index, output) in outputs.enumerated() {
      if output.slot.name == "value" {
        value = try place(index, nil, "value")
      } else if output.slot.name == "probability" {
        probability = try place(index, nil, "probability")
      } else if output.slot.name == "label", outputs.count > 2 || isNamed {
        label = try place(index, nil, "label")
      } else {
        continue
      }
      isNamed = true
    }
    if isNamed { return }
    var singles: [Int] = []
    var rows: [Int] = []
    var labels: [Int] = []
    for (index, output) in outputs.enumerated() {
      if output.slot.kind != ORT_KIND_TENSOR { throw zipMap(output) }
      if output.isReal { if output.count == 1 { singles.append(index) } else { rows.append(index) } }
      if output.isInteger, output.count == 1 { labels.append(index) }
      if output.slot.element == ORT_ELEMENT_STRING {
        throw Failure.invalid("the output \"\(output.slot.name)\" is \(output.slot.text), no number; \(OutputPlan.textRemedy) by naming others with `value` and `probability`")
      }
    }
    if labels.count <= 1, singles.isEmpty, rows.count == 1, outputs[rows[0]].count == 2, labels.count == 1 {
      // The second class is the one that a probability is about.
      probability = Place(output: rows[0], index: 1)
      label = Place(output: labels[0], index: 0)
    } else if singles.count == 1, rows.isEmpty, labels.count <= 1 {
      value = Place(output: singles[0], index: 0)
      if labels.count == 1 { label = Place(output: labels[0], index: 0) }
    } else {
      throw Failure.invalid("which of the model's outputs is meant? Name them with value: NAME, probability: NAME[INDEX], label: NAME; \(described)")
    }
  }
}
