import GantryBase

#if canImport(Glibc)
  import Glibc
#endif

/// Makes a folder and those above it, for this user only. An existing folder is fine.
public func makeFolder(_ path: String) throws(GantryError) {
  var built = path.hasPrefix("/") ? "/" : ""
  for part in path.split(separator: "/") {
    built += part
    if mkdir(built, 0o700) != 0, errno != EEXIST {
      throw GantryError(
        "runtime.no-folder", "cannot make the folder \(built): \(String(cString: strerror(errno)))",
        help: ["choose another folder with --run-folder"], exit: .failed)
    }
    built += "/"
  }
}
