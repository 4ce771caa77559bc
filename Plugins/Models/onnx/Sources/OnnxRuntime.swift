import COnnxRuntime
import CPosix
import GantrySDK

/// The opened library: its table of functions, and errors as sentences.
///
/// The library is never closed. It has threads, thread-local destructors and process-wide
/// registries, so `RTLD_NODELETE` keeps it mapped; this plugin's own code can be unloaded. One
/// process has one ONNX Runtime: two versions share the name libonnxruntime.so.1, and a second
/// one would stay for good beside the first, so it is refused.
struct OnnxRuntime {
  let api: UnsafePointer<ort_api>
  let version: Text
  let path: Text

  init(library: Text) throws(Failure) {
    var finder = LibraryFinder()
    let path = try finder.find(library)
    if let other = OnnxRuntime.mapped(except: path) {
      throw Failure.invalid(
        "\(other) is in use in this process, so \(path) cannot be loaded beside it; name the same library in all onnx nodes, or give this one `isolate: process`")
    }
    guard let handle = withCString(path, { dlopen($0, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) }) else {
      throw Failure.invalid("\(path) cannot be loaded: \(OnnxRuntime.dynamicLinkerError); \(LibraryFinder.remedy)")
    }
    guard let base = ort_base(handle) else {
      throw Failure.invalid("\(path) is not ONNX Runtime: it has no OrtGetApiBase; \(LibraryFinder.remedy)")
    }
    version = ort_version(base).map { Text(cString: $0) } ?? "unknown"
    guard let api = ort_api_of(base, ORT_API_VERSION) else {
      throw Failure.invalid("\(path) is ONNX Runtime \(version), which does not offer API version \(Int(ORT_API_VERSION)); install 1.5 or newer: `python3 -m pip install --upgrade onnxruntime`")
    }
    self.api = api
    self.path = path
  }

  /// Turns a status into nothing or its text, and releases it.
  func message(_ status: OpaquePointer?) -> Text? {
    guard let status else { return nil }
    defer { ort_release_status(api, status) }
    guard let text = ort_error_message(api, status) else { return "no reason given" }
    return Text(cString: text)
  }

  func check(_ what: StaticString, _ status: OpaquePointer?) throws(Failure) {
    if let text = message(status) { throw Failure.invalid("ONNX Runtime \(version) failed to \(what): \(text)") }
  }

  /// A text that the library allocated, and frees again.
  func take(_ text: UnsafeMutablePointer<CChar>?, _ allocator: OpaquePointer) -> Text {
    guard let text else { return "" }
    let copy = Text(cString: text)
    _ = message(ort_allocator_free(api, allocator, text))
    return copy
  }

  private static var dynamicLinkerError: Text { dlerror().map { Text(cString: $0) } ?? "no reason given" }

  /// Another ONNX Runtime that this process has mapped.
  private static func mapped(except path: Text) -> Text? {
    guard let own = withCString(path, { realpath($0, nil) }) else { return nil }
    defer { free(own) }
    let ownPath = Text(cString: own)
    guard let file = fopen("/proc/self/maps", "r") else { return nil }
    defer { fclose(file) }
    let line = UnsafeMutablePointer<CChar>.allocate(capacity: 8192)
    defer { line.deallocate() }
    while fgets(line, 8192, file) != nil {
      guard let start = strchr(line, 47), let name = strrchr(line, 47), strncmp(name + 1, "libonnxruntime.so", 17) == 0 else { continue }
      var other = Text(cString: start)
      if other.bytes.last == 10 { other.bytes.removeLast() }
      if other != ownPath { return other }
    }
    return nil
  }
}
