import GantryBase
import GantryRuntime

#if canImport(Glibc)
  import Glibc
#endif

/// Where runs are kept: `run/<graph>-<UTC time>` under the working directory, and `run/latest`,
/// which names the newest.
enum RunFolders {
  /// Makes a folder that no other run has: one that is begun in the same second gets another number.
  static func fresh(_ graph: String) throws(GantryError) -> String {
    var now = time(nil)
    var parts = tm()
    gmtime_r(&now, &parts)
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let stamp =
      "\(parts.tm_year + 1900)\(two(parts.tm_mon + 1))\(two(parts.tm_mday))-\(two(parts.tm_hour))\(two(parts.tm_min))\(two(parts.tm_sec))"
    return try claim("run/\(graph)-\(stamp)")
  }

  /// The first of `base`, `base-2`, `base-3` ... that is not there; it is then.
  static func claim(_ base: String) throws(GantryError) -> String {
    if let end = base.lastIndex(of: "/") { try makeFolder(String(base[..<end])) }
    var path = base
    var number = 2
    // Asking first and making then would give two runs one folder.
    while mkdir(path, 0o700) != 0 {
      guard errno == EEXIST else {
        throw GantryError(
          "runtime.no-folder", "cannot make the folder \(path): \(String(cString: strerror(errno)))",
          help: ["choose another folder with --run-folder"], exit: .failed)
      }
      path = "\(base)-\(number)"
      number += 1
    }
    return path
  }

  /// Points `run/latest` at a folder of the default place. Others are left alone.
  static func remember(_ folder: String?) {
    guard let folder, folder.hasPrefix("run/") else { return }
    let target = String(folder.dropFirst(4))
    unlink("run/latest.new")
    if symlink(target, "run/latest.new") == 0 { rename("run/latest.new", "run/latest") }
  }
}

/// Secrets come from the environment: `GANTRY_SECRET_<NAME>`, or a file that
/// `GANTRY_SECRET_<NAME>_FILE` names. They are never printed.
enum Secrets {
  static func value(_ name: String) -> [UInt8]? {
    let key = "GANTRY_SECRET_" + name.uppercased().map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined()
    if let value = getenv(key) { return Array(String(cString: value).utf8) }
    guard let path = getenv(key + "_FILE") else { return nil }
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = fread(&bytes, 1, bytes.count, file)
    var value = Array(bytes[..<count])
    if value.last == 10 { value.removeLast() }
    return value
  }
}
