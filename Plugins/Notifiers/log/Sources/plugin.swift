import CGantry
import GantrySDK
struct Stub: Plugin {
  static var descriptor: Descriptor { Descriptor(id: "log", version: "0.0.0", kind: .transform, summary: "stub") }
  init(host: Host) {}
}
@c(gantry_plugin_entry)
public func entry(_ request: UnsafePointer<gantry_entry_request>?) -> UnsafePointer<gantry_library>? {
  exportPlugin(Stub.self, request)
}
