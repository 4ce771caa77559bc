import GantryBase
import GantryRuntime

#if canImport(Glibc)
  import Glibc
#endif

/// A folder under /tmp for as long as a verb works in it.
struct WorkFolder {
  let path: String

  init(purpose: String) throws(GantryError) {
    var template = Array("/tmp/gantry-\(purpose)-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else {
      throw GantryError("\(purpose).no-folder", "cannot make a folder under /tmp: \(String(cString: strerror(errno)))", exit: .failed)
    }
    path = String(cString: made)
  }

  func remove() { removeFolder(path) }
}
