import GantryBase
import GantryManifest

/// `tests:`, the shapes only; what they name is looked up by `TestBinder`.
extension GraphReader {
  func tests(_ node: ManifestNode) -> [TestDraft] {
    guard let items = node.sequence else {
      report.error(.wrongShape, "tests is a list, this is \(node.shape)", at: node.place, help: ["write `- name: WHAT SHOULD HAPPEN` under it"])
      return []
    }
    var tests: [TestDraft] = []
    for item in items {
      guard let test = test(item) else { continue }
      if tests.contains(where: { $0.name == test.name }) {
        report.error(.duplicateItem, "two tests are named \(quoted(test.name))", at: test.place)
      }
      tests.append(test)
    }
    return tests
  }

  private func test(_ node: ManifestNode) -> TestDraft? {
    guard let mapping = MappingReader(node, "a test", keys: ["name", "given", "expect"], example: "`- name: WHAT SHOULD HAPPEN`", report: report) else {
      return nil
    }
    var test = TestDraft(name: "", place: node.place)
    if let name = mapping.word("name") {
      test.name = name.text
      test.place = name.place
    } else if mapping["name"] == nil {
      report.error(.missingKey, "this test has no name", at: node.place, help: ["add `name:` with what should happen"])
    }
    if let given = mapping.value("given") {
      if let entries = given.entries {
        test.given = entries.compactMap { entry in
          report.word(entry.value, "the file of \(quoted(entry.key.text))").map { (Word(text: entry.key.text, place: entry.key.place), $0) }
        }
      } else {
        report.error(
          .wrongShape, "given is a mapping of sources to files, this is \(given.shape)", at: given.place, help: ["write given: { SOURCE: FILE.csv }"])
      }
    }
    guard let expect = mapping.value("expect") else {
      if mapping["expect"] == nil {
        report.error(.missingKey, "this test expects nothing", at: test.place, help: ["add `expect: { NODE.PORT: [ { FIELD: VALUE } ] }`"])
      }
      return test
    }
    guard let entries = expect.entries else {
      report.error(
        .wrongShape, "expect is a mapping of ports to events, this is \(expect.shape)", at: expect.place,
        help: ["write expect: { NODE.PORT: [ { FIELD: VALUE } ] }"])
      return test
    }
    for entry in entries {
      guard let events = entry.value.sequence else {
        report.error(
          .wrongShape, "what \(quoted(entry.key.text)) gives is a list of events, this is \(entry.value.shape)", at: entry.value.place,
          help: ["write [ { FIELD: VALUE } ], or [] for no event"])
        continue
      }
      let fields = events.compactMap { event -> [ManifestEntry]? in
        guard let entries = event.entries else {
          report.error(.wrongShape, "an event is a mapping of fields, this is \(event.shape)", at: event.place, help: ["write { FIELD: VALUE }"])
          return nil
        }
        return entries.filter { report.word($0.value, quoted($0.key.text)) != nil }
      }
      test.expect.append((Word(text: entry.key.text, place: entry.key.place), fields))
    }
    return test
  }
}
