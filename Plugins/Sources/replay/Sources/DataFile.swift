import CPosix
import GantrySDK

/// One file that the source was pointed at, as it was when the run started.
struct DataFile {
  /// The whole path, with a terminating zero.
  var path: [UInt8]
  var size: Int64 = 0
  private var changedNs: Int64 = 0
  private var inode: UInt64 = 0

  init(path: Text) { self.path = path.bytes + [0] }

  /// The path, for people.
  var text: Text { Text(bytes: Array(path.dropLast())) }

  /// The last part of the path.
  var name: Text {
    let bytes = path.dropLast()
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return Text(bytes: Array(bytes)) }
    return Text(bytes: Array(bytes[(slash + 1)...]))
  }

  /// The file itself, or the files of a folder in name order: those that do not begin with a dot.
  static func list(_ path: Text) throws(Failure) -> [DataFile] {
    let one = DataFile(path: path)
    var status = stat()
    guard withPath(one.path, { stat($0, &status) }) == 0 else {
      throw Failure(-5, "path: cannot read \(path): \(reason()); a relative path starts at the graph file's folder")
    }
    guard DataFile.isFolder(status) else { return [one] }
    guard let folder = withPath(one.path, { opendir($0) }) else {
      throw Failure.io("path: cannot read the folder \(path): \(reason())")
    }
    defer { closedir(folder) }
    var names: [Text] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
        let bytes = UnsafeRawPointer(field).assumingMemoryBound(to: UInt8.self)
        return Text(bytes: Array(UnsafeBufferPointer(start: bytes, count: strlen(UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self)))))
      }
      if name.bytes.first != UInt8(ascii: ".") { names.append(name) }
    }
    names.sort { isBefore($0, $1) }
    var files: [DataFile] = []
    for name in names {
      let file = DataFile(path: path.bytes.last == UInt8(ascii: "/") ? "\(path)\(name)" : "\(path)/\(name)")
      guard withPath(file.path, { stat($0, &status) }) == 0, DataFile.isFile(status) else { continue }
      files.append(file)
    }
    guard !files.isEmpty else { throw Failure(-5, "path: there are no files in the folder \(path)") }
    return files
  }

  /// Opens the file for reading. The caller closes it.
  mutating func open(remember: Bool) throws(Failure) -> UnsafeMutablePointer<FILE> {
    guard let stream = DataFile.withPath(path, { fopen($0, "rbe") }) else {
      throw Failure.io("cannot open \(text): \(DataFile.reason())")
    }
    var status = stat()
    guard fstat(fileno(stream), &status) == 0 else {
      fclose(stream)
      throw Failure.io("cannot read \(text): \(DataFile.reason())")
    }
    guard DataFile.isFile(status) else {
      fclose(stream)
      throw Failure.invalid("\(text) is not a file; a source with a pipe or device behind it is a feed, not a replay")
    }
    let changed = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
    if remember {
      size = Int64(status.st_size)
      changedNs = changed
      inode = UInt64(status.st_ino)
    } else if size != Int64(status.st_size) || changedNs != changed || inode != UInt64(status.st_ino) {
      fclose(stream)
      throw Failure.io("\(text) has changed since the run started; start it again")
    }
    return stream
  }

  /// Reads until `capacity` bytes are there or the file ends.
  static func read(
    _ stream: UnsafeMutablePointer<FILE>, into buffer: UnsafeMutablePointer<UInt8>, capacity: Int
  ) -> Int? {
    var have = 0
    while have < capacity {
      let count = CPosix.read(fileno(stream), buffer + have, capacity - have)
      if count == 0 { break }
      if count < 0 {
        if __errno_location().pointee == EINTR { continue }
        return nil
      }
      have += count
    }
    return have
  }

  /// What errno says.
  static func reason() -> Text {
    guard let message = strerror(__errno_location().pointee) else { return "unknown error" }
    let length = strlen(message)
    return message.withMemoryRebound(to: UInt8.self, capacity: length) {
      Text(bytes: Array(UnsafeBufferPointer(start: $0, count: length)))
    }
  }

  private static func isFolder(_ status: stat) -> Bool { Int32(bitPattern: status.st_mode) & S_IFMT == S_IFDIR }
  private static func isFile(_ status: stat) -> Bool { Int32(bitPattern: status.st_mode) & S_IFMT == S_IFREG }

  static func withPath<Result>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
    path.withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { body($0.baseAddress.unsafelyUnwrapped) }
    }
  }

  private static func isBefore(_ left: Text, _ right: Text) -> Bool {
    let count = min(left.bytes.count, right.bytes.count)
    for index in 0..<count where left.bytes[index] != right.bytes[index] { return left.bytes[index] < right.bytes[index] }
    return left.bytes.count < right.bytes.count
  }
}
