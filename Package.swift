// swift-tools-version: 6.1
import PackageDescription

// One line per module or plugin; the helper functions below say what a line means.

let package = Package(
  name: "gantry",
  products: [
    .executable(name: "gantry", targets: ["gantry"]),
    .executable(name: "gantry-chain", targets: ["gantry-chain"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    // The ABI and the system's own libraries.
    .systemLibrary(name: "CGantry", path: "SDK/C/include/gantry"),
    .systemLibrary(name: "CLZ4", path: "SDK/C/system/CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "COnnxRuntime", path: "Plugins/Models/onnx/COnnxRuntime"),
    .systemLibrary(name: "CPosix", path: "SDK/C/system/CPosix"),
    .systemLibrary(name: "CYaml", path: "Host/System/CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CZlib", path: "SDK/C/system/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CLinux", path: "Host/System/CLinux"),

    // The host, from the bottom up. Imports point upwards in this list.
    hostModule("Base", system: ["CLinux"]),
    hostModule("Manifest", ["Base"], system: ["CYaml"]),
    hostModule("Models", ["Base", "Manifest"], [.product(name: "Crypto", package: "swift-crypto")]),
    hostModule("Graph", ["Base", "Manifest", "Models"]),
    hostModule("Loader", ["Base"], system: ["CGantry", "CLinux", "PluginHarness"], [.product(name: "Crypto", package: "swift-crypto")]),
    hostModule("Journal", ["Base"], system: ["CLinux", "CLZ4"], [.product(name: "Crypto", package: "swift-crypto")]),
    hostModule("Trace", ["Base"], system: ["CLinux"]),
    hostModule("ChainStore", ["Base", "Trace"], system: ["CGantry"], [.product(name: "GRDB", package: "GRDB.swift")]),
    hostModule("Runtime", ["Base", "Graph", "Journal", "Models", "Trace"], system: ["CGantry", "CLinux"], settings: Settings.lane),
    hostModule("Admin", ["Base", "Graph", "Loader", "Models", "Runtime"], system: ["CLinux"]),
    hostModule("Cells", ["Base", "Graph", "Loader", "Runtime"], system: ["CGantry", "CLinux"], settings: Settings.lane),
    hostModule(
      "CLI", ["Admin", "Base", "Cells", "Graph", "Journal", "Loader", "Manifest", "Models", "Runtime", "Trace"], system: ["CLinux"],
      [.product(name: "ArgumentParser", package: "swift-argument-parser")]),
    executable("gantry", ["CLI"]),
    executable("gantry-chain", ["Base", "ChainStore", "Trace"], [.product(name: "ArgumentParser", package: "swift-argument-parser")]),

    // The SDK: one source folder, built twice.
    .target(
      name: "GantrySDK", dependencies: ["CGantry", "CPosix"], path: "SDK/Swift/GantrySDKEmbedded",
      swiftSettings: Settings.embedded),
    .target(name: "GantrySDKFull", dependencies: ["CGantry", "CPosix"], path: "SDK/Swift/GantrySDK", swiftSettings: Settings.strict),

    .target(name: "PluginHarness", dependencies: ["CGantry", "GantryBase"], path: "SDK/Conformance/Harness", swiftSettings: Settings.strict),

    // Tests and benchmarks.
    .executableTarget(
      name: "gantry-bench",
      dependencies: ["CLinux", "GantryBase", "GantryCells", "GantryGraph", "GantryJournal", "GantryLoader", "GantryRuntime", "GantryTrace"],
      path: "Tests/Benchmarks/gantry-bench", swiftSettings: Settings.strict),
    .target(name: "BrokenPlugins", path: "Tests/Support/BrokenPlugins", swiftSettings: Settings.strict),
    .executableTarget(
      name: "journal-tool", dependencies: ["GantryBase", "GantryJournal", "GantryTrace"], path: "Tests/Support/JournalTool",
      swiftSettings: Settings.strict),
    .executableTarget(name: "LoaderChild", dependencies: ["GantryLoader"], path: "Tests/Support/LoaderChild", swiftSettings: Settings.strict),
    .target(name: "TestSupport", path: "Tests/Support/TestSupport", swiftSettings: Settings.strict),
    hostTests("Admin", ["Graph", "Journal", "Runtime"], with: ["BrokenPlugins", "CGantry", "CLinux", "gantry", "PluginHarness"]),
    hostTests("Base"),
    hostTests("Cells", ["Graph", "Loader", "Runtime"], with: ["gantry", "BrokenPlugins", "CGantry", "CLinux", "PluginHarness"]),
    hostTests("ChainStore", ["Trace"], with: ["CGantry", "gantry-chain", "TestSupport"]),
    hostTests("CLI", ["Graph", "Journal", "Loader", "Manifest", "Runtime", "Trace"], with: ["gantry", "BrokenPlugins", "PluginHarness"]),
    hostTests("Graph", ["Manifest"]),
    hostTests("Journal", with: ["journal-tool", "TestSupport"]),
    hostTests("Loader", with: ["BrokenPlugins", .product(name: "Crypto", package: "swift-crypto")]),
    hostTests("Manifest"),
    hostTests("Models", ["Graph", "Manifest"]),
    hostTests("Runtime", ["Graph", "Journal", "Loader", "Manifest", "Trace"], with: ["BrokenPlugins", "CGantry", "CLinux", "PluginHarness"]),
    hostTests("Trace", with: ["TestSupport"]),
    .testTarget(
      name: "ContractTests", dependencies: ["BrokenPlugins", "CGantry", "GantryBase", "GantryLoader", "LoaderChild", "PluginHarness"], path: "Tests/Contract", swiftSettings: Settings.strict),
    .testTarget(name: "RepoTests", dependencies: ["GantryBase"], path: "Tests/Repo", exclude: ["Scripts"], swiftSettings: Settings.strict),
    .testTarget(name: "SDKTests", dependencies: ["GantrySDKFull"], path: "Tests/SDKTests", swiftSettings: Settings.strict),
  ]
)

// Plugins, alphabetically.
package.add(embeddedPlugin("ab", kind: "Models"))
package.add(embeddedPlugin("bars", kind: "Transforms"))
package.add(embeddedPlugin("ensemble", kind: "Models"))
package.add(embeddedPlugin("indicators", kind: "Features"))
package.add(embeddedPlugin("limits", kind: "Risk"))
package.add(embeddedPlugin("linear", kind: "Models"))
package.add(embeddedPlugin("log", kind: "Notifiers", system: ["CPosix"]))
package.add(embeddedPlugin("onnx", kind: "Models", system: ["COnnxRuntime", "CPosix"]))
package.add(embeddedPlugin("paper", kind: "Brokers"))
package.add(embeddedPlugin("replay", kind: "Sources", system: ["CPosix", "CZlib", "CLZ4"]))
package.add(embeddedPlugin("synthetic", kind: "Sources", system: ["CPosix"]))
package.add(embeddedPlugin("threshold", kind: "Decisions"))
package.add(cPlugin("threshold-c", kind: "Decisions"))
package.add(embeddedPlugin("trees", kind: "Models", system: ["CPosix"]))

if Settings.isQuickstartBuild {
  package.keep(products: ["gantry", "indicators", "limits", "linear", "log", "paper", "synthetic", "threshold"])
}

if Settings.isSanitizeBuild {
  package.keep(products: ["indicators", "limits", "linear", "log", "paper", "replay", "synthetic", "threshold"], tests: ["RuntimeTests"])
}

enum Settings {
  /// Swift 6 mode with its complete concurrency checking.
  static var strict: [SwiftSetting] {
    [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility")]
      + (isStrictBuild ? [.unsafeFlags(["-warnings-as-errors"])] : [])
  }

  /// What every C target of ours is compiled with.
  static var c: CSetting { .unsafeFlags(["-std=c11", "-Wall", "-Wextra"] + (isStrictBuild ? ["-Werror"] : [])) }

  /// `make check` and `make test`: a warning is an error.
  static var isStrictBuild: Bool { Context.environment["GANTRY_BUILD"] == "strict" }
  /// `make run`: what the quickstart needs and no more.
  static var isQuickstartBuild: Bool { Context.environment["GANTRY_BUILD"] == "quickstart" }
  /// `make check-san`: the runtime, its tests and the plugins that they chain.
  static var isSanitizeBuild: Bool { Context.environment["GANTRY_BUILD"] == "sanitize" }

  /// Embedded Swift: needs only libc, can be unloaded. Exclusivity is proved at compile time where
  /// it can be; the run-time checks are off because an instance is never entered twice at once.
  static var embedded: [SwiftSetting] {
    strict + [
      .enableExperimentalFeature("Embedded"),
      .unsafeFlags(["-wmo", "-enforce-exclusivity=unchecked"]),
    ]
  }

  /// The lane: exclusivity is proved by the design (one thread, unmanaged memory), not at run time.
  static var lane: [SwiftSetting] {
    strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]
  }

  /// Exports `gantry_plugin_entry` and nothing else, and needs no library it does not use.
  static var pluginLinker: [LinkerSetting] {
    [
      .unsafeFlags([
        "-Xlinker", "--version-script=\(Context.packageDirectory)/SDK/C/plugin.map",
        "-Xlinker", "--as-needed", "-Xlinker", "--gc-sections",
      ]),
      // A sanitizer's functions come from the host.
      .unsafeFlags(isSanitizeBuild ? [] : ["-Xlinker", "-z", "-Xlinker", "defs"]),
      // What is hashed, copied and mapped at each start is code, not line tables.
      .unsafeFlags(["-Xlinker", "--strip-debug"], .when(configuration: .release)),
    ]
  }
}

func hostModule(_ name: String, _ modules: [String] = [], system: [String] = [], _ products: [Target.Dependency] = [], settings: [SwiftSetting] = Settings.strict) -> Target {
  .target(
    name: "Gantry\(name)",
    dependencies: modules.map { .byName(name: "Gantry\($0)") } + system.map { .byName(name: $0) } + products,
    path: "Host/\(name)", swiftSettings: settings)
}

func executable(_ name: String, _ modules: [String], _ products: [Target.Dependency] = []) -> Target {
  .executableTarget(
    name: name, dependencies: modules.map { .byName(name: "Gantry\($0)") } + products, path: "Host/\(name)",
    swiftSettings: Settings.strict)
}

/// `with` are C modules and libraries that the tests use, and executables that they run.
func hostTests(_ name: String, _ modules: [String] = [], with others: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: Set(["Base", name] + modules).sorted().map { .byName(name: "Gantry\($0)") } + others,
    path: "Tests/\(name)Tests", swiftSettings: Settings.strict)
}

struct PluginTargets {
  var product: Product
  var targets: [Target]
}

func moduleName(_ id: String) -> String {
  id.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined() + "Plugin"
}

/// A plugin in Embedded Swift: `Plugins/<kind>/<id>/Sources`, its tests in `Tests` beside it.
func embeddedPlugin(_ id: String, kind: String, system: [String] = []) -> PluginTargets {
  plugin(
    id,
    .target(
      name: moduleName(id), dependencies: ["CGantry", "GantrySDK"] + system.map { .byName(name: $0) },
      path: "Plugins/\(kind)/\(id)/Sources", swiftSettings: Settings.embedded, linkerSettings: Settings.pluginLinker),
    tests: "Plugins/\(kind)/\(id)/Tests", system: system)
}

/// A plugin in C11.
func cPlugin(_ id: String, kind: String) -> PluginTargets {
  plugin(
    id,
    .target(
      name: moduleName(id), path: "Plugins/\(kind)/\(id)/Sources", publicHeadersPath: ".",
      cSettings: [Settings.c, .unsafeFlags(["-I\(Context.packageDirectory)/SDK/C/include", "-fvisibility=hidden"])],
      linkerSettings: Settings.pluginLinker),
    tests: "Plugins/\(kind)/\(id)/Tests")
}

func plugin(_ id: String, _ target: Target, tests: String, system: [String] = []) -> PluginTargets {
  PluginTargets(
    product: .library(name: id, type: .dynamic, targets: [target.name]),
    targets: [
      target,
      .testTarget(
        name: "\(target.name)Tests", dependencies: ["PluginHarness", "CGantry"] + system.map { .byName(name: $0) }, path: tests,
        swiftSettings: Settings.strict),
    ])
}

extension Package {
  func add(_ plugin: PluginTargets) {
    products.append(plugin.product)
    targets += plugin.targets
  }
}

extension Package {
  /// Leaves out every other product and test, and the targets and packages that only those need.
  func keep(products names: Set<String>, tests: [String] = []) {
    products.removeAll { !names.contains($0.name) }
    var targetNames: Set<String> = []
    var packageNames: Set<String> = []
    var open = tests + products.flatMap { ($0 as? Product.Library)?.targets ?? ($0 as? Product.Executable)?.targets ?? [] }
    while let name = open.popLast() {
      guard let target = targets.first(where: { $0.name == name }), targetNames.insert(name).inserted else { continue }
      for dependency in target.dependencies {
        switch dependency {
        case .byNameItem(let name, _), .targetItem(let name, _): open.append(name)
        case .productItem(_, let package, _, _): packageNames.insert(package ?? "")
        @unknown default: break
        }
      }
    }
    targets.removeAll { !targetNames.contains($0.name) }
    dependencies.removeAll { dependency in
      guard case .sourceControl(_, let location, _) = dependency.kind else { return false }
      return !packageNames.contains { location.hasSuffix("/\($0)") }
    }
  }
}
