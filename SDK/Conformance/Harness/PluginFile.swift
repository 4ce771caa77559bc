import CGantry
import Glibc
import Synchronization

/// Finds and opens built plugins beside the running test executable. Each file is opened once a
/// process and stays open.
enum PluginFile {
  /// The entry is called once at a time, as by a host's one control thread; tests run beside each other.
  private static let turn = Mutex(())

  static func plugin(_ id: String, file: String? = nil) throws -> UnsafePointer<gantry_plugin> {
    let address = try turn.withLock { _ in UInt(bitPattern: try opened(id, file: file)) }
    return UnsafePointer(bitPattern: address)!
  }

  private static func opened(_ id: String, file: String?) throws -> UnsafePointer<gantry_plugin> {
    let path = file ?? folder + "/lib\(id).so"
    guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      throw HarnessError("cannot open \(path): \(String(cString: dlerror()))")
    }
    guard let symbol = dlsym(handle, "gantry_plugin_entry") else {
      throw HarnessError("\(path) does not export gantry_plugin_entry")
    }
    let entry = unsafeBitCast(symbol, to: gantry_plugin_entry_function.self)
    let keep = Keep()
    let error = keep.array([CChar](repeating: 0, count: 512))
    let length = keep.array([UInt32(0)])
    var request = gantry_entry_request(
      size: UInt32(MemoryLayout<gantry_entry_request>.size), abi_major: GANTRY_ABI_MAJOR, abi_minor: GANTRY_ABI_MINOR,
      error_capacity: 512, host_name: keep.string("plugin-harness"), host_version: keep.string("1.0.0"), error: error,
      error_length: length)
    guard let library = withExtendedLifetime(keep, { entry(&request) }) else {
      throw HarnessError("\(path) refused: \(String(gantry_string(data: error, length: UInt64(length.pointee))))")
    }
    for index in 0..<Int(library.pointee.plugin_count) {
      if let plugin = library.pointee.plugins[index], String(plugin.pointee.id) == id { return plugin }
    }
    throw HarnessError("\(path) offers no plugin \(id)")
  }

  /// The folder of the running executable, where SwiftPM puts the plugins.
  static var folder: String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let path = String(decoding: buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
  }
}

extension PluginHarness {
  /// The folder of the running test executable, where SwiftPM puts plugins and executables.
  public static var productsFolder: String { PluginFile.folder }
}
