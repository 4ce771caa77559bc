import CGantry
import CLinux
import GantryBase
import GantryLoader
import Glibc

/// The hidden verb by which this executable becomes a cell.
public enum CellChild {
  /// Serves the verb.
  ///
  /// - Parameter arguments: without the program's name
  /// - Returns: what to pass to `_exit`, or nil when the arguments are for somebody else
  public static func run(arguments: [String]) -> Int32? {
    guard arguments.first == CellProcess.verb else { return nil }
    guard arguments.count == 2, let parent = Int32(arguments[1]) else { return ExitCode.usage.rawValue }
    guard clinux_die_with_parent(parent) != 0 else { return ExitCode.failed.rawValue }
    clinux_close_from(CellProcess.bellDescriptor + 1)
    guard let memory = CellMemory(inherited: CellProcess.memoryDescriptor) else { return ExitCode.bug.rawValue }
    close(CellProcess.memoryDescriptor)
    signal(SIGPIPE, SIG_IGN)
    let server = CellServer(memory: memory)
    return server.run()
  }

  /// Walls the process in by what was granted, before any of the plugin's code has run.
  static func confine(_ boot: CellBoot) -> UInt32 {
    var walls = clinux_walls()
    walls.memory_bytes = boot.memoryBytes
    walls.cpu_seconds = boot.cpuSeconds
    walls.file_bytes = 16 << 30
    walls.open_files = 1024
    walls.network = boot.grants.contains(.network) ? 1 : 0
    walls.local_sockets = boot.grants.contains(.admin) ? 1 : 0
    walls.files = boot.grants.contains(.files) ? 1 : 0
    let structures = CellStructures()
    func list(_ paths: [String]) -> UnsafePointer<UnsafePointer<CChar>?> {
      let pointers = structures.array(paths.count, of: UnsafePointer<CChar>?.self)
      for (index, path) in paths.enumerated() {
        let bytes = structures.bytes(Array(path.utf8) + [0])
        pointers[index] = UnsafeRawPointer(bytes.data!).assumingMemoryBound(to: CChar.self)
      }
      return UnsafePointer(pointers)
    }
    let readable = systemPaths + [folder(of: boot.path)] + runtimeFolders + boot.readable
    walls.path_count = UInt32(readable.count)
    walls.paths = list(readable)
    let writable = ["/dev/null", "/dev/zero"] + boot.writable
    walls.writable_count = UInt32(writable.count)
    walls.writables = list(writable)
    return withExtendedLifetime(structures) { clinux_raise_walls(&walls) }
  }

  /// What code needs to be found and to run: libraries, time zones, randomness, certificates, the
  /// resolver's files. Nothing of the user's.
  private static let systemPaths = [
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/usr/share/zoneinfo",
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf", "/etc/ssl", "/usr/share/ca-certificates",
    "/dev/urandom", "/dev/random", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
  ]

  /// Where the libraries that this executable has mapped come from: a Swift runtime need not be the system's.
  private static var runtimeFolders: [String] {
    var folders: Set<String> = []
    if let file = fopen("/proc/self/maps", "r") {
      defer { fclose(file) }
      var line = [CChar](repeating: 0, count: 4096)
      while fgets(&line, 4096, file) != nil {
        let text = String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let slash = text.firstIndex(of: "/"), text.contains(".so") else { continue }
        folders.insert(folder(of: String(text[slash...])))
      }
    }
    return folders.sorted()
  }

  private static func folder(of path: String) -> String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "." }
}
