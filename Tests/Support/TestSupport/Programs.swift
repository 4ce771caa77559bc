import Glibc

/// An executable built beside the tests, whose own bundle is mapped here.
public func tool(_ name: String) -> String {
  let maps = String(decoding: readBytes("/proc/self/maps"), as: UTF8.self)
  for line in maps.split(separator: "\n") where line.hasSuffix("PackageTests.xctest") {
    guard let start = line.firstIndex(of: "/"), let end = line.lastIndex(of: "/") else { continue }
    return String(line[start...end]) + name
  }
  return name
}

/// Starts a program; nil when that cannot be done.
public func start(_ arguments: [String], output: Int32? = nil) -> pid_t? {
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
public func run(_ arguments: [String]) -> (status: Int32, output: String) {
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
