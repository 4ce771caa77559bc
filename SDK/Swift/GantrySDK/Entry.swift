import CGantry

/// Builds the constant tables of the plugin's descriptor. Runs once a generation; what it
/// allocates lives as long as the code is loaded.
final class Export {
  let library: UnsafeMutablePointer<gantry_library>
  var factories: [Factory] = []
  private var plugins: [UnsafePointer<gantry_plugin>?] = []

  init() {
    library = .allocate(capacity: 1)
    library.initialize(to: gantry_library())
  }

  func add(_ factory: Factory, _ descriptor: Descriptor, _ abilities: Abilities) {
    let plugin = UnsafeMutablePointer<gantry_plugin>.allocate(capacity: 1)
    plugin.initialize(to: gantry_plugin())
    plugin.pointee.size = UInt32(MemoryLayout<gantry_plugin>.size)
    plugin.pointee.kind = descriptor.kind.rawValue
    plugin.pointee.id = descriptor.id.abi
    plugin.pointee.version = descriptor.version.abi
    plugin.pointee.summary = descriptor.summary.abi
    plugin.pointee.effects = descriptor.effects.rawValue
    plugin.pointee.determinism = descriptor.determinism.rawValue
    plugin.pointee.flags = descriptor.flags.rawValue
    plugin.pointee.needs = descriptor.needs.rawValue | descriptor.mayNeed.rawValue << GANTRY_NEEDS_OPTIONAL_SHIFT
    plugin.pointee.input_count = UInt32(descriptor.inputs.count)
    plugin.pointee.output_count = UInt32(descriptor.outputs.count)
    plugin.pointee.param_count = UInt32(descriptor.parameters.count)
    plugin.pointee.inputs = Export.ports(descriptor.inputs)
    plugin.pointee.outputs = Export.ports(descriptor.outputs)
    plugin.pointee.params = Export.parameters(descriptor.parameters)
    installThunks(plugin)
    factory.plugin = UnsafePointer(plugin)
    factory.extensions = Extensions(abilities, factory)
    factories.append(factory)
    plugins.append(UnsafePointer(plugin))
  }

  func finish() -> UnsafePointer<gantry_library> {
    let list = UnsafeMutablePointer<UnsafePointer<gantry_plugin>?>.allocate(capacity: plugins.count)
    list.initialize(from: plugins, count: plugins.count)
    library.pointee.size = UInt32(MemoryLayout<gantry_library>.size)
    library.pointee.abi_major = GANTRY_ABI_MAJOR
    library.pointee.abi_minor = GANTRY_ABI_MINOR
    library.pointee.plugin_count = UInt32(plugins.count)
    library.pointee.plugins = UnsafePointer(list)
    #if hasFeature(Embedded)
      library.pointee.built_with = ("GantrySDK, Embedded Swift" as StaticString).abi
    #else
      library.pointee.built_with = ("GantrySDK, Swift" as StaticString).abi
      library.pointee.flags = 1
    #endif
    return UnsafePointer(library)
  }

  private static func ports(_ ports: [Port]) -> UnsafePointer<gantry_port>? {
    guard !ports.isEmpty else { return nil }
    let list = UnsafeMutablePointer<gantry_port>.allocate(capacity: ports.count)
    for (index, port) in ports.enumerated() {
      (list + index).initialize(
        to: gantry_port(
          size: UInt32(MemoryLayout<gantry_port>.size), type: port.type.rawValue,
          flags: (port.optional ? 1 : 0) | (port.many ? 2 : 0), reserved: 0, name: port.name.abi,
          help: port.help.abi))
    }
    return UnsafePointer(list)
  }

  private static func parameters(_ parameters: [Parameter]) -> UnsafePointer<gantry_param>? {
    guard !parameters.isEmpty else { return nil }
    let list = UnsafeMutablePointer<gantry_param>.allocate(capacity: parameters.count)
    for (index, parameter) in parameters.enumerated() {
      var flags: UInt32 = 0
      if parameter.required { flags |= 1 }
      if parameter.live { flags |= 2 }
      if parameter.minimum != nil { flags |= 4 }
      if parameter.maximum != nil { flags |= 8 }
      if parameter.aboveMinimum { flags |= 16 }
      let choices = UnsafeMutablePointer<gantry_string>.allocate(capacity: max(parameter.choices.count, 1))
      for (position, choice) in parameter.choices.enumerated() { (choices + position).initialize(to: choice.abi) }
      (list + index).initialize(
        to: gantry_param(
          size: UInt32(MemoryLayout<gantry_param>.size), type: parameter.kind.rawValue, flags: flags,
          choice_count: UInt32(parameter.choices.count), name: parameter.name.abi,
          default_text: parameter.defaultText.abi, minimum: parameter.minimum ?? 0,
          maximum: parameter.maximum ?? 0, choices: UnsafePointer(choices), unit: parameter.unit.abi,
          help: parameter.help.abi))
    }
    return UnsafePointer(list)
  }
}

/// The one export of this generation. Written once, by the entry, before any instance exists;
/// read-only afterwards, so unguarded access is safe.
nonisolated(unsafe) var currentExport: Export?

/// Exports one plugin type. The whole body of `gantry_plugin_entry`.
public func exportPlugin<P: Plugin>(
  _ type: P.Type, _ request: UnsafePointer<gantry_entry_request>?
) -> UnsafePointer<gantry_library>? {
  exportPlugins(request) { $0.add(P.self) }
}

/// Collects the types of a library that offers several plugins.
public struct Exporter {
  let export: Export
  public func add<P: Plugin>(_ type: P.Type) {
    export.add(FactoryOf<P>(), P.descriptor, P.abilities)
  }
}

/// Exports several plugin types.
public func exportPlugins(
  _ request: UnsafePointer<gantry_entry_request>?, _ body: (Exporter) -> Void
) -> UnsafePointer<gantry_library>? {
  if let known = currentExport { return UnsafePointer(known.library) }
  let export = Export()
  body(Exporter(export: export))
  currentExport = export
  return export.finish()
}
