import CGantry
import GantryBase
import PluginHarness

/// The child's side of `gantry plugin check`: runs every check and prints each result as it is
/// known, so that a crash is laid to the check that was running.
struct ConformanceChild {
  /// One line of the child's answer.
  struct Line: Codable {
    var begun: String?
    var plugin: String?
    var check: ConformanceReport.Check?
  }

  let path: String
  let options: ConformanceOptions
  private let output: ChildOutput

  init(path: String, options: ConformanceOptions) {
    self.path = path
    self.options = options
    output = ChildOutput(cpuSeconds: 120)
  }

  func run() -> Int32 {
    let image: PluginImage
    let descriptions: [PluginDescription]
    begin(.loads, "")
    do throws(GantryError) {
      image = try PluginImage(path: path)
      descriptions = try load(image)
    } catch {
      for diagnostic in error.diagnostics {
        report(.init("", .loads, .failed, "\(diagnostic.code): \(diagnostic.text)", help: diagnostic.help))
      }
      return 0
    }
    checkExports(image)
    for description in descriptions {
      checkExactness(image, description)
      checkBehaviour(description, image)
    }
    return 0
  }

  func begin(_ check: ConformanceCheck, _ plugin: String) { _ = output.write(Line(begun: check.rawValue, plugin: plugin)) }
  func report(_ check: ConformanceReport.Check) { _ = output.write(Line(check: check)) }

  /// Runs one check; what it throws is its failure, what it returns its finding.
  func check(_ name: ConformanceCheck, _ plugin: String, _ body: () throws -> String) {
    begin(name, plugin)
    do {
      report(.init(plugin, name, .passed, try body()))
    } catch let failure as ConformanceFailure {
      report(.init(plugin, name, .failed, failure.text, help: [failure.help]))
    } catch let violation as ContractViolation {
      report(.init(plugin, name, .failed, "PLUGIN broke the contract: \(violation)", help: ["see the contract card in gantry/plugin.h"]))
    } catch let failure as PluginFailure {
      report(.init(plugin, name, .failed, "\(failure)"))
    } catch {
      report(.init(plugin, name, .skipped, "\(error)"))
    }
  }

  private func load(_ image: PluginImage) throws(GantryError) -> [PluginDescription] {
    var options = LoaderOptions()
    options.residentMaxBytes = .max
    let generation = try Loader(options: options, mapsInPlace: true).load(image)
    let descriptions = generation.plugins.map(\.description)
    report(.init("", .loads, .passed, "offers \(descriptions.map { "\($0.id) \($0.version)" }.joined(separator: ", "))"))
    begin(.unloads, "")
    let isResident = generation.isResident
    let isGone = generation.unload()
    if isGone {
      report(.init("", .unloads, .passed, "its code is gone after an unload"))
    } else if isResident {
      report(.init("", .unloads, .passed, "it says that its code stays mapped"))
    } else {
      report(
        .init(
          "", .unloads, .failed, "its code stays mapped after an unload",
          help: ["remove thread-local destructors and threads, or declare GANTRY_LIBRARY_RESIDENT"]))
    }
    return descriptions
  }

  private func checkExports(_ image: PluginImage) {
    check(.exports, "") {
      let others = image.elf.symbols.filter { $0.isDefined && $0.name != "gantry_plugin_entry" && !$0.name.hasPrefix("_") }.map(\.name)
      guard others.isEmpty else {
        throw ConformanceFailure(
          "exports \(others.count) more symbol\(others.count == 1 ? "" : "s") than gantry_plugin_entry, such as \(others[0])",
          "link with -Wl,--version-script=SDK/C/plugin.map")
      }
      return "exports gantry_plugin_entry and nothing else"
    }
  }

  private func checkExactness(_ image: PluginImage, _ description: PluginDescription) {
    guard description.determinism == .exact else { return }
    check(.exactness, description.id) {
      let found = Set(image.libraries().flatMap { LibmImports.found(in: $0.elf) }).sorted()
      guard found.isEmpty else {
        throw ConformanceFailure(
          "promises exact results, but takes \(found.joined(separator: ", ")) from libm, which differs between machines",
          "use the SDK's own functions, or declare GANTRY_DETERMINISM_CPU")
      }
      return "takes no inexact function from libm"
    }
  }
}
