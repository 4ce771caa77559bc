import BrokenPlugins
import GantryBase
import Glibc
import Testing

/// What shells and man(1) are given.
@Suite struct ShellTests {
  @Test(arguments: ["bash", "zsh", "fish"])
  func `each shell has its completions`(shell: String) throws {
    let script = try Gantry.run(["completions", shell])
    #expect(script.code == 0, "\(script.error)")
    for verb in ["status", "swap", "tap", "history"] { #expect(script.out.contains(verb), "\(verb)") }
    guard Glibc.system("command -v \(shell) >/dev/null") == 0 else { return }
    let folder = try Files.folder()
    try Files.write(script.out, folder + "/script")
    #expect(Glibc.system("\(shell) -n '\(folder)/script'") == 0)
  }

  @Test func `an unknown shell is a mistake of usage`() throws { #expect(try Gantry.run(["completions", "tcsh"]).code == 2) }

  @Test func `completing a node asks the running host, and is silent without one`() throws {
    let folder = try Files.folder()
    let none = try Gantry.run(["---completion", "pause", "--", "positional@0", "2", "0", "gantry", "pause", ""], in: folder, environment: ["GANTRY_RUNTIME_DIR": folder, "PATH": "/usr/bin"])
    #expect(none.signal == 0)
    #expect(!none.out.contains("error"))
  }

  @Test func `the manual page has every verb and passes man`() throws {
    let page = try Gantry.run(["man"])
    #expect(page.code == 0, "\(page.error)")
    for verb in ["run", "status", "top", "tap", "swap", "revert", "commit", "plan", "apply", "history", "pause", "halt", "loglevel", "plugin list"] {
      #expect(page.out.contains("\n.SS \(verb.replacing("-", with: "\\-"))\n"), "\(verb)")
    }
    guard Glibc.system("command -v groff >/dev/null") == 0 else { return }
    let folder = try Files.folder()
    try Files.write(page.out, folder + "/gantry.1")
    #expect(Glibc.system("groff -man -Tutf8 -ww '\(folder)/gantry.1' > '\(folder)/text' 2> '\(folder)/warnings' && test ! -s '\(folder)/warnings'") == 0)
  }

  @Test(arguments: [
    "status", "top", "tap", "swap", "revert", "commit", "plan", "apply", "history", "pause", "resume", "drain", "halt", "unhalt", "loglevel", "stop",
  ])
  func `a live verb says how it is used, and that no host is running`(verb: String) throws {
    let help = try Gantry.run([verb, "--help"])
    #expect(help.code == 0 && help.out.contains("EXAMPLES") && help.out.contains("--json"))
    let folder = try Files.folder()
    let arguments: [String] =
      switch verb {
      case "tap", "commit", "pause", "resume": ["ticks"]
      case "swap": ["ticks", "--set", "a=1"]
      case "plan", "apply": ["\(Fixture.root)/manifests/quickstart.yaml"]
      case "loglevel": ["debug"]
      default: []
      }
    let none = try Gantry.run([verb] + arguments + ["--control", "nowhere.sock"], in: folder)
    #expect(none.code == 69, "\(none.error)")
    #expect(none.error.contains("error[control.no-host]"))
    #expect(try Gantry.run([verb] + arguments + ["--control", "nowhere.sock", "--json"], in: folder).diagnostics.map(\.code) == ["control.no-host"])
  }
}
