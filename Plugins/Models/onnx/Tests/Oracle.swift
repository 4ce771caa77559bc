import Foundation
import PluginHarness

/// Models and what Python's onnxruntime says of random rows, made once a test run by `Oracle/models.py`.
///
/// Needs a Python with onnxruntime, onnx, skl2onnx and scikit-learn: `python3`, or the one named by GANTRY_PYTHON. Tests skip
/// without it, and say so.
struct Oracle: Sendable {
  struct Case: Decodable, Sendable {
    var columns: [String]
    var rows: [[Double]]
    /// Outputs by name; each row's numbers in order.
    var outputs: [String: [[Double]]]
  }

  let folder: String
  /// The folder that has the library.
  let library: String
  let seed: UInt32
  let cases: [String: Case]

  static let python = ProcessInfo.processInfo.environment["GANTRY_PYTHON"] ?? "python3"
  static let missing = "\(python) has no onnxruntime, onnx and skl2onnx: `pip install onnxruntime onnx skl2onnx`, or set GANTRY_PYTHON"

  /// Nil without the modules, and where `models.py` failed; then `failure` says why.
  static let shared: Oracle? = made.oracle
  static let failure: String? = made.failure
  static var isHere: Bool { shared != nil }

  private static let made: (oracle: Oracle?, failure: String?) = {
    let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Oracle/models.py").standardizedFileURL.path
    let probe = run(python, ["-c", "import onnxruntime, onnx, skl2onnx, os; print(os.path.dirname(onnxruntime.__file__) + '/capi')"])
    guard probe.status == 0 else { return (nil, nil) }
    let folder = FileManager.default.temporaryDirectory.appending(path: "gantry-onnx-\(UUID().uuidString)").path
    let seed = UInt32.random(in: 0...UInt32.max)
    print("onnx oracle: seed \(seed)")
    let made = run(python, [script, folder, "\(seed)"])
    guard made.status == 0, let data = FileManager.default.contents(atPath: folder + "/cases.json"),
      let cases = try? JSONDecoder().decode([String: Case].self, from: data)
    else { return (nil, "models.py, seed \(seed), ended with \(made.status): \(made.text)") }
    atexit { Oracle.cleanUp() }
    return (Oracle(folder: folder, library: probe.text.trimmingCharacters(in: .whitespacesAndNewlines), seed: seed, cases: cases), nil)
  }()

  private static func cleanUp() { if let shared { try? FileManager.default.removeItem(atPath: shared.folder) } }

  func model(_ name: String) -> [UInt8] { Array(FileManager.default.contents(atPath: "\(folder)/\(name).onnx") ?? Data()) }

  static func run(_ command: String, _ arguments: [String]) -> (status: Int32, text: String) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [command] + arguments
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch { return (127, "\(error)") }
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }
}

/// An instance with a model of the oracle.
func onnx(
  _ name: String, columns: [String], _ parameters: [String: ParameterText] = [:], bytes: [UInt8]? = nil, starts: Bool = true,
  instruments: [HarnessInstrument] = [.eurusd]
) throws -> PluginHarness {
  let oracle = Oracle.shared!
  var all: [String: ParameterText] = ["artifact": .artifact(bytes ?? oracle.model(name)), "library": .scalar(oracle.library)]
  all.merge(parameters) { $1 }
  return try PluginHarness("onnx", parameters: all, instruments: instruments, inputs: [.init(port: "features", columns: columns)], starts: starts)
}

/// What configure says against a model.
func refusal(_ name: String, columns: [String] = ["a", "b", "c"], _ parameters: [String: ParameterText] = [:], bytes: [UInt8]? = nil) -> String {
  do {
    _ = try onnx(name, columns: columns, parameters, bytes: bytes)
    return "accepted"
  } catch let failure as PluginFailure {
    return failure.call == "configure" && failure.status == -1 ? failure.text : "\(failure)"
  } catch {
    return "\(error)"
  }
}
