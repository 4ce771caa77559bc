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

/// Removes a folder that this process made, with all in it. What cannot be removed stays.
public func removeFolder(_ path: String) {
  if let directory = opendir(path) {
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name == "." || name == ".." { continue }
      var info = stat()
      guard lstat("\(path)/\(name)", &info) == 0 else { continue }
      if info.st_mode & S_IFMT == S_IFDIR { removeFolder("\(path)/\(name)") } else { unlink("\(path)/\(name)") }
    }
    closedir(directory)
  }
  rmdir(path)
}
