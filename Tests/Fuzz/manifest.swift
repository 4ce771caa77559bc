import GantryBase
import GantryGraph
import GantryManifest

/// Any bytes as a graph file: every mistake becomes a diagnostic with a place inside the file, whether
/// or not the plugins are known. The file system is not looked at.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzManifest(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  let bytes = [UInt8](UnsafeBufferPointer(start: data, count: size))
  let (tree, problems) = ManifestParser.parse(bytes: bytes, file: "fuzz.yaml")
  precondition(tree != nil || !problems.isEmpty, "a file that cannot be read needs a reason")
  let files = ManifestFiles.inMemory([:])
  let (graph, diagnostics) = GraphBuilder.build(
    file: "fuzz.yaml", bytes: bytes, catalog: catalog, options: GraphOptions(files: files))
  precondition((graph == nil) == diagnostics.contains { $0.severity == .error }, "no graph without an error, no error with a graph")
  for diagnostic in diagnostics {
    precondition(!diagnostic.code.isEmpty && !diagnostic.text.isEmpty)
    if let place = diagnostic.place { precondition(place.line >= 1 && place.column >= 1) }
    _ = diagnostic.rendered()
  }
  return 0
}

/// A source, a sink and a node between, so that edges and parameters are reached too.
private func catalog(_ id: String, _ requirement: String?) -> CatalogAnswer {
  switch id {
  case "source":
    return .found(PluginDescription(id: id, version: "1.0.0", kind: .source, outputs: [PortDescription("ticks", .tick)]))
  case "sink":
    return .found(PluginDescription(id: id, version: "1.0.0", kind: .notifier, inputs: [PortDescription("events", .any, takesMany: true)]))
  case "node":
    let parameters = ParameterDescription.Kind.allCases.map { ParameterDescription("a_\($0.name)", $0) }
    return .found(
      PluginDescription(
        id: id, version: "1.0.0", kind: .transform, inputs: [PortDescription("ticks", .tick)],
        outputs: [PortDescription("ticks", .tick)], parameters: parameters))
  default:
    return .missing(installed: ["source", "sink", "node"])
  }
}
