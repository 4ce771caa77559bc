import Glibc

/// A folder of its own for one test, removed with it.
final class Scratch {
  let path: String

  init() {
    var template = Array("/tmp/gantry-chain-XXXXXX".utf8CString)
    path = String(cString: mkdtemp(&template)!)
  }

  deinit { remove(path) }

  private func remove(_ path: String) {
    for name in list(path) {
      if rmdir(path + "/" + name) != 0, unlink(path + "/" + name) != 0 { remove(path + "/" + name) }
    }
    rmdir(path)
  }
}

func list(_ path: String) -> [String] {
  guard let directory = opendir(path) else { return [] }
  defer { closedir(directory) }
  var names: [String] = []
  while let entry = readdir(directory) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != ".", name != ".." { names.append(name) }
  }
  return names.sorted()
}

func readBytes(_ path: String) -> [UInt8] {
  guard let file = fopen(path, "r") else { return [] }
  defer { fclose(file) }
  var result: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = fread(&buffer, 1, buffer.count, file)
    if count == 0 { return result }
    result += buffer[..<count]
  }
}

func writeBytes(_ bytes: [UInt8], to path: String) {
  let file = fopen(path, "w")!
  fwrite(bytes, 1, bytes.count, file)
  fclose(file)
}

/// SplitMix64: a seeded generator, so that a failing sequence can be run again.
struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}

/// An executable built beside the tests, whose own bundle is mapped here.
func tool(_ name: String) -> String {
  let maps = String(decoding: readBytes("/proc/self/maps"), as: UTF8.self)
  for line in maps.split(separator: "\n") where line.hasSuffix("PackageTests.xctest") {
    guard let start = line.firstIndex(of: "/"), let end = line.lastIndex(of: "/") else { continue }
    return String(line[start...end]) + name
  }
  return name
}

func start(_ arguments: [String], output: Int32? = nil) -> pid_t? {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  if let output {
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, output, 2)
  }
  var pointers = arguments.map { strdup($0) }
  defer { for pointer in pointers { free(pointer) } }
  pointers.append(nil)
  var child: pid_t = 0
  return posix_spawn(&child, arguments[0], &actions, nil, pointers, environ) == 0 ? child : nil
}

/// Runs a program to its end.
func run(_ arguments: [String]) -> (status: Int32, output: String) {
  var ends: [Int32] = [0, 0]
  pipe(&ends)
  guard let child = start(arguments, output: ends[1]) else { return (-1, "cannot start \(arguments[0])") }
  close(ends[1])
  var output: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 4096)
  while true {
    let count = read(ends[0], &buffer, buffer.count)
    if count <= 0 { break }
    output += buffer[..<count]
  }
  close(ends[0])
  var status: Int32 = 0
  waitpid(child, &status, 0)
  return (status & 0x7F == 0 ? status >> 8 & 0xFF : -status, String(decoding: output, as: UTF8.self))
}

func makeFolder(_ path: String) -> Bool { mkdir(path, 0o755) == 0 }
