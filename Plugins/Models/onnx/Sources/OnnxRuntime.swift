import COnnxRuntime
import GantrySDK

/// The opened library: its table of functions, and errors as sentences.
///
/// The library is never closed: it has threads, thread-local destructors and process-wide
/// registries. The host keeps it mapped; this plugin's own code can be unloaded. One process has one
/// ONNX Runtime: two versions share the name libonnxruntime.so.1, and a second one would stay for
/// good beside the first, so it is refused.
struct OnnxRuntime {
  let api: UnsafePointer<ort_api>
  let version: Text
  let path: Text

  /// - Parameter place: the parameter `library`: the file, its folder, or a Python environment; empty: look for it
  init(library place: Text, host: Host) throws(Failure) {
    var finder = LibraryFinder("libonnxruntime.so", inPackage: "onnxruntime/capi", hasVersions: true)
    let found: Library?
    do throws(Failure) {
      found = try host.openLibrary(&finder, at: place, isAlone: true)
    } catch {
      // Trust and grants are not a matter of the file.
      if error.status == -7 { throw error }
      throw Failure(error.status, "ONNX Runtime cannot be loaded: \(error.text); \(OnnxRuntime.remedy)")
    }
    guard let found else { throw OnnxRuntime.notFound(place, finder.places) }
    path = found.path
    guard let base = ort_base(found.handle) else {
      throw Failure.invalid("\(path) is not ONNX Runtime: it has no OrtGetApiBase; \(OnnxRuntime.remedy)")
    }
    version = ort_version(base).map { Text(cString: $0) } ?? "unknown"
    guard let api = ort_api_of(base, ORT_API_VERSION) else {
      throw Failure.invalid("\(path) is ONNX Runtime \(version), which does not offer API version \(Int(ORT_API_VERSION)); install 1.5 or newer: `python3 -m pip install --upgrade onnxruntime`")
    }
    self.api = api
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

  private static var remedy: Text { "install it with `python3 -m pip install onnxruntime`, or say where it is with library: PATH" }

  private static func notFound(_ place: Text, _ places: [Text]) -> Failure {
    if !place.bytes.isEmpty {
      return Failure.invalid(
        "there is no ONNX Runtime at library: \(place), which may be the file libonnxruntime.so.1.x, its folder or a Python environment that has the package onnxruntime; \(remedy)"
      )
    }
    var looked: Text = ""
    for place in places { looked = looked.bytes.isEmpty ? place : "\(looked), \(place)" }
    return Failure.invalid("ONNX Runtime is not here: looked into \(looked); \(remedy)")
  }
}
