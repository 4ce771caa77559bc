import Foundation
import Testing

@Suite struct AbiLockTests {
  @Test func `the headers say what abi.lock pins`() throws {
    let result = try shell("\(Repository.scripts)/abi-lock.sh")
    #expect(result.status == 0, "\(result.output)")
  }

  @Test func `the lock has a line for every field and constant of the headers`() throws {
    let lock = try Repository.text("SDK/C/include/gantry/abi.lock")
    #expect(lock.contains("struct gantry_tick size 64 align 8\n"))
    #expect(lock.contains("  gantry_tick.ask offset 40 size 8: double ask\n"))
    #expect(lock.contains("constant GANTRY_GONE -8\n"))
    #expect(lock.contains("constant GANTRY_EXT_STATE \"gantry.state/1\"\n"))
  }

  @Test(arguments: [
    ("event.h", "double bid;\n  double ask;", "double ask;\n  double bid;", "gantry_tick.bid offset 40 size 8: double bid"),
    ("abi.h", "#define GANTRY_GONE ((gantry_status)-8)", "#define GANTRY_GONE ((gantry_status)-80)", "constant GANTRY_GONE -80"),
    ("plugin.h", "  const gantry_param *params;\n", "", "gantry_plugin.create offset 104 size 8"),
    ("host.h", "int64_t (*now)(gantry_node *node);", "uint64_t (*now)(gantry_node *node);", "gantry_host.now offset 72 size 8: uint64_t (*now)"),
  ])
  func `a change of the headers is named`(file: String, old: String, new: String, line: String) throws {
    let folder = try TemporaryFolder()
    _ = try shell("cp -r SDK/C/include '\(folder.path)/include'")
    let header = try Repository.text("SDK/C/include/gantry/\(file)")
    try #require(header.contains(old), "the header changed: choose another line for this test")
    try folder.write("include/gantry/\(file)", header.replacing(old, with: new))

    let result = try shell("\(Repository.scripts)/abi-lock.sh", environment: ["INCLUDE_DIR": "\(folder.path)/include"])
    #expect(result.status == 1)
    #expect(result.output.contains(line), "\(result.output)")
    #expect(result.output.contains("make abi-lock"))
  }

  @Test func `every header compiles alone as C11 and as C++17`() throws {
    let result = try shell("\(Repository.scripts)/headers.sh")
    #expect(result.status == 0, "\(result.output)")
  }
}
