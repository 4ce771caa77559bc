import CLinux
import GantryBase
import Glibc

/// The place where a host listens, and where others find it: `NAME.sock` of mode 0600 in a folder
/// that only its user can change.
///
/// The folder is `$XDG_RUNTIME_DIR/gantry`, or `/run/gantry` where that can be written, or
/// `run/control` under the working directory; where `$GANTRY_RUNTIME_DIR` is set, it is that folder
/// and no other, so that deployments on one machine do not see each other. NAME is the graph's. A
/// socket that nobody serves any more is replaced; one that is served is left alone.
public struct ControlSocket: ~Copyable {
  struct Listener: Sendable {
    var descriptor: Int32
    var path: String
    var inode: ino_t

    /// Stops listening and removes the file, unless another host has replaced it.
    func close() {
      if ControlSocket.inode(of: path) == inode { unlink(path) }
      Glibc.close(descriptor)
    }
  }

  private var listener: Listener?
  public var path: String { listener?.path ?? "" }

  /// Listens at `path`.
  public init(path: String) throws(GantryError) {
    if let slash = path.lastIndex(of: "/"), slash != path.startIndex { try Self.makeFolder(String(path[..<slash])) }
    switch Self.state(of: path) {
    case .live:
      throw GantryError(
        "control.in-use", "a running host listens at \(path) already",
        help: ["`gantry status --control \(path)` shows it; give this one another place with --control"], exit: .failed)
    case .other(let what):
      throw GantryError("control.not-a-socket", "\(path) is \(what); it is left alone", help: ["choose another place with --control"], exit: .failed)
    case .stale, .absent: break
    }
    // Made beside its place and moved there: whoever finds it there can connect, and two hosts that
    // replace a stale socket at once do not unlink each other's.
    let temporary = "\(path).\(getpid())"
    unlink(temporary)
    let descriptor = clinux_unix_listen(temporary)
    guard descriptor >= 0 else { throw Self.refused(path, -descriptor) }
    guard rename(temporary, path) == 0 else {
      let error = errno
      close(descriptor)
      unlink(temporary)
      throw Self.refused(path, error)
    }
    listener = Listener(descriptor: descriptor, path: path, inode: Self.inode(of: path) ?? 0)
  }

  consuming func take() -> Listener {
    let taken = listener
    listener = nil
    return taken!
  }

  deinit { listener?.close() }

  private static func refused(_ path: String, _ error: Int32) -> GantryError {
    let help =
      error == ENAMETOOLONG
      ? "the system allows 107 bytes for the path of a socket; choose a shorter one with --control" : "choose another place with --control"
    return GantryError("control.no-socket", "cannot listen at \(path): \(String(cString: strerror(error)))", help: [help], exit: .failed)
  }

  // MARK: places

  enum State: Equatable { case absent, stale, live, other(String) }

  /// What stands at a path.
  static func state(of path: String) -> State {
    var status = stat()
    guard lstat(path, &status) == 0 else { return .absent }
    guard status.st_mode & S_IFMT == S_IFSOCK else { return .other("no socket") }
    let descriptor = clinux_unix_connect(path)
    if descriptor >= 0 {
      close(descriptor)
      return .live
    }
    // A full backlog, or a socket of somebody else: alive as far as can be known.
    return descriptor == -ECONNREFUSED || descriptor == -ENOENT ? .stale : .live
  }

  static func inode(of path: String) -> ino_t? {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_ino : nil
  }

  /// Removes sockets in a folder that nobody serves: what killed hosts have left.
  static func sweep(_ folder: String) {
    for file in names(in: folder) {
      let path = "\(folder)/\(file)"
      let inode = inode(of: path)
      if state(of: path) == .stale, self.inode(of: path) == inode { unlink(path) }
    }
  }

  private static func names(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name.hasSuffix(".sock"), name.utf8.count > 5 { names.append(name) }
    }
    return names
  }

  /// Folders in which hosts of this user listen, the preferred one first.
  public static var folders: [String] {
    if let only = getenv("GANTRY_RUNTIME_DIR"), only.pointee != 0 { return [String(cString: only)] }
    var list: [String] = []
    if let runtime = getenv("XDG_RUNTIME_DIR"), runtime.pointee != 0 { list.append(String(cString: runtime) + "/gantry") }
    list.append("/run/gantry")
    list.append("run/control")
    return list
  }

  /// The first folder that exists and is ours, or can be made.
  public static func folder() throws(GantryError) -> String {
    var last: GantryError?
    for folder in folders {
      do throws(GantryError) {
        try makeFolder(folder)
        sweep(folder)
        return folder
      } catch { last = error }
    }
    throw last ?? GantryError("control.no-folder", "there is no place for a control socket", exit: .failed)
  }

  /// For this user only. A folder in which another user could replace the socket is refused.
  private static func makeFolder(_ path: String) throws(GantryError) {
    var built = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      built += part
      if mkdir(built, 0o700) != 0, errno != EEXIST { throw unfit(path, String(cString: strerror(errno))) }
      built += "/"
    }
    var status = stat()
    guard stat(path, &status) == 0 else { throw unfit(path, String(cString: strerror(errno))) }
    guard access(path, W_OK) == 0 else { throw unfit(path, String(cString: strerror(errno))) }
    let isShared = status.st_mode & 0o022 != 0 && status.st_mode & S_ISVTX == 0
    guard status.st_uid == geteuid() || status.st_uid == 0, !isShared else { throw unfit(path, "other users can write there") }
  }

  private static func unfit(_ path: String, _ reason: String) -> GantryError {
    GantryError(
      "control.no-folder", "no control socket can be made in \(path): \(reason)", help: ["choose another place with --control PATH"], exit: .failed)
  }

  /// The names of hosts that run, with the paths of their sockets.
  public static func running() -> [(name: String, path: String)] {
    var found: [(name: String, path: String)] = []
    for folder in folders {
      for file in names(in: folder) where state(of: "\(folder)/\(file)") == .live {
        found.append((String(file.dropLast(5)), "\(folder)/\(file)"))
      }
    }
    return found.sorted { $0.name < $1.name }
  }

  /// The socket of the host that a verb means: the one at `path`, the one of that name, or the only one.
  public static func find(path: String?, graph: String?) throws(GantryError) -> String {
    if let path { return path }
    let hosts = running()
    let names = hosts.map(\.name).joined(separator: ", ")
    if let graph {
      if let host = hosts.first(where: { $0.name == graph }) { return host.path }
      throw GantryError(
        "control.no-host", "no host runs the graph \(graph)",
        help: [hosts.isEmpty ? "start one with `gantry run FILE`" : nearest(to: graph, among: hosts.map(\.name)).map { "did you mean \($0)?" } ?? "these run: \(names)"],
        exit: .noHost)
    }
    guard let only = hosts.first else {
      throw GantryError("control.no-host", "no host is running", help: ["start one with `gantry run FILE`, or name its socket with --control PATH"], exit: .noHost)
    }
    guard hosts.count == 1 else {
      throw GantryError("control.which-host", "several hosts are running: \(names)", help: ["choose one with --graph NAME"], exit: .usage)
    }
    return only.path
  }
}
