import Testing

@Suite struct ExportTests {
  @Test func `every plugin exports its entry and nothing else`() throws {
    let result = try shell("\(Repository.scripts)/exports.sh '\(Repository.build)'")
    #expect(result.status == 0, "\(result.output)")
  }

  @Test func `a library that exports more is named with its symbols`() throws {
    let folder = try TemporaryFolder()
    try folder.write("loud.c", "int gantry_plugin_entry(void) { return 0; }\nint helper(void) { return 1; }\n")
    let built = try shell("cc -shared -fPIC -o libloud.so loud.c", in: folder.path)
    try #require(built.status == 0, "\(built.output)")

    let result = try shell("\(Repository.scripts)/exports.sh '\(folder.path)'")
    #expect(result.status == 1)
    #expect(result.output.contains("libloud.so exports: gantry_plugin_entry helper"), "\(result.output)")
    #expect(result.output.contains("plugin.map"))
  }
}
