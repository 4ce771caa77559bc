import CLinux
import GantryBase
import Glibc
import Synchronization

/// Watches files, by way of their folders, and tells when some of them have changed and come to rest.
/// Files may be replaced, removed and made anew.
final class FileWatcher: Sendable {
  private let descriptor: Int32
  private let wakeDescriptor: Int32
  private let isStopping = Atomic<Bool>(false)
  /// By the number of a watched folder: its path as it was given.
  private let watched = Mutex<(folders: [Int32: String], files: Set<String>)>(([:], []))

  init() throws(GantryError) {
    descriptor = clinux_watch_open()
    wakeDescriptor = clinux_event_open()
    guard descriptor >= 0, wakeDescriptor >= 0 else {
      throw GantryError("watch.refused", "the system refused to watch files", help: ["raise fs.inotify.max_user_instances"], exit: .failed)
    }
  }

  deinit {
    close(descriptor)
    close(wakeDescriptor)
  }

  /// Watches these files from now on, and no others.
  func watch(_ files: [String]) {
    watched.withLock { watched in
      watched.files = Set(files)
      for folder in Set(files.map(Self.folder)) {
        let number = clinux_watch_folder(descriptor, folder)
        if number >= 0 { watched.folders[number] = folder }
      }
    }
  }

  private static func folder(_ file: String) -> String {
    guard let slash = file.lastIndex(of: "/") else { return "." }
    return slash == file.startIndex ? "/" : String(file[..<slash])
  }

  /// Calls `changed` with files that have come to rest, until `stop`. On the calling thread.
  func run(settleNs: Int64, _ changed: ([String]) -> Void) {
    var settling = Settling(settleNs: settleNs)
    while !isStopping.load(ordering: .acquiring) {
      let nowNs = clinux_monotonic_ns()
      var polls = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0)]
      let leftMs = settling.dueNs.map { max(0, ($0 - nowNs) / 1_000_000 + 1) } ?? -1
      _ = poll(&polls, 2, Int32(clamping: leftMs))
      if polls[1].revents != 0 { clinux_event_clear(wakeDescriptor) }
      for (file, note) in read() { settling.note(note, file, nowNs: clinux_monotonic_ns()) }
      let files = settling.take(nowNs: clinux_monotonic_ns())
      if !files.isEmpty { changed(files) }
    }
  }

  func stop() {
    isStopping.store(true, ordering: .releasing)
    clinux_event_signal(wakeDescriptor)
  }

  private func read() -> [(String, Settling.Note)] {
    final class Events { var list: [(Int32, Int32, String)] = [] }
    let events = Events()
    clinux_watch_read(
      descriptor,
      { folder, what, name, context in
        guard let name, let context else { return }
        Unmanaged<Events>.fromOpaque(context).takeUnretainedValue().list.append((folder, what, String(cString: name)))
      }, Unmanaged.passUnretained(events).toOpaque())
    return watched.withLock { watched in
      events.list.compactMap { folder, what, name in
        // The system has lost count: every file may have changed.
        if what == CLINUX_WATCH_LOST { return watched.files.first.map { ($0, .changed) } }
        guard let path = watched.folders[folder].map({ $0 == "/" ? "/\(name)" : "\($0)/\(name)" }) else { return nil }
        let short = path.hasPrefix("./") ? String(path.dropFirst(2)) : path
        guard let file = watched.files.first(where: { $0 == path || $0 == short }) else { return nil }
        return (file, what == CLINUX_WATCH_WRITING ? .writing : .changed)
      }
    }
  }
}
