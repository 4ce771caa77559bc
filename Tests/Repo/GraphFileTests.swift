import Testing

@Suite struct GraphFileTests {
  @Test func `every graph of the repository passes the check`() throws {
    let files = Repository.tracked("manifests/*.yaml", "Plugins/**/example.yaml", "SDK/**/example.yaml")
      .filter { !$0.hasPrefix("SDK/Templates") }
    try #require(!files.isEmpty || Repository.tracked("Package.swift").isEmpty, "no graph file is tracked")
    guard !files.isEmpty else { return }
    let result = try shell("gantry check $(\(Repository.scripts)/graphs.sh \(files.joined(separator: " ")))")
    #expect(result.status == 0, "\(result.output)")
  }

  @Test func `every plugin has a graph that shows it, a README and a test`() {
    let tracked = Set(Repository.tracked("Plugins/**"))
    guard !tracked.isEmpty else { return }
    let folders = Set(tracked.map { $0.split(separator: "/").prefix(3).joined(separator: "/") })
    for folder in folders.sorted() where folder.split(separator: "/").count == 3 {
      let hasAll = ["example.yaml", "README.md"].allSatisfy { tracked.contains("\(folder)/\($0)") }
      let hasTest = tracked.contains { $0.hasPrefix("\(folder)/Tests/") }
      #expect(hasAll && hasTest, "\(folder)")
    }
  }
}
