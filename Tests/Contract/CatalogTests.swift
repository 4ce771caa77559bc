import BrokenPlugins
import GantryBase
import GantryLoader
import Glibc
import PluginHarness
import Testing

@Suite(.enabled(if: Fixture.hasCompiler, "no C compiler"))
struct CatalogTests {
  private func catalog(_ folders: [String]) -> PluginCatalog {
    var inspector = PluginInspector(executable: PluginHarness.productsFolder + "/LoaderChild")
    inspector.deadlineNs = 60_000_000_000
    return PluginCatalog(searchPath: folders, inspector: inspector)
  }

  private func folder(_ file: String, _ fixture: String = "Correct", flags: String = "") throws -> String {
    let path = try Fixture.plugin(fixture, as: file, flags: flags)
    return String(path.dropLast(file.count + 1))
  }

  @Test func `a plugin is found by id and version`() throws {
    let catalog = catalog([try folder("libbroken.so")])
    guard case .found(let plugin) = catalog.find("broken", "^1.0") else {
      Issue.record("not found")
      return
    }
    #expect(plugin.version == "1.0.0")
    guard case .refused(let diagnostic) = catalog.find("broken", "^2.0") else {
      Issue.record("should be refused")
      return
    }
    #expect(diagnostic.text == "broken ^2.0 is asked for; installed: 1.0.0")
  }

  @Test func `an earlier folder wins`() throws {
    let folders = [try folder("libbroken.so"), try folder("libbroken.so")]
    guard case .found(let plugin) = catalog(folders).find("broken") else {
      Issue.record("not found")
      return
    }
    #expect(plugin.path.hasPrefix(folders[0]))
  }

  @Test func `what is missing is answered with what is installed`() throws {
    guard case .missing(let installed) = catalog([try folder("libbroken.so")]).find("brokn") else {
      Issue.record("should be missing")
      return
    }
    #expect(installed == ["broken"])
  }

  @Test func `a damaged plugin is refused with its own diagnostic`() throws {
    let catalog = catalog([try folder("libbroken.so", "NewerMajor")])
    guard case .refused(let diagnostic) = catalog.find("broken") else {
      Issue.record("should be refused")
      return
    }
    #expect(diagnostic.code == LoaderCode.abi)
  }

  @Test func `a file that offers another id than its name says is not taken for it`() throws {
    guard case .refused(let diagnostic) = catalog([try folder("libother.so")]).find("other") else {
      Issue.record("should be refused")
      return
    }
    #expect(diagnostic.code == LoaderCode.fileName)
  }

  @Test func `the project's own plugins are all well described`() throws {
    let all = catalog([PluginHarness.productsFolder]).all()
    #expect(all.count >= 10)
    for (path, result) in all {
      switch result {
      case .success(let plugins): #expect(plugins.count == 1, "\(path)")
      case .failure(let error): Issue.record("\(path): \(error.diagnostics.map { $0.rendered() }.joined(separator: "\n"))")
      }
    }
  }
}
