import CGantry
import CLZ4
import CZlib
import Foundation
import PluginHarness
import Testing

/// A folder of files that goes away with the test.
final class Folder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/replay-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file, making the folders in its name, and returns its path.
  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = path + "/" + name
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  @discardableResult
  func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }
}

/// The events of a file, with the parameters beside `path` and `instrument`.
func replay(_ path: String, _ parameters: [String: ParameterText] = [:]) throws -> PluginHarness {
  try PluginHarness("replay", parameters: parameters.merging(["path": .scalar(path), "instrument": "EURUSD"]) { $1 })
}

/// All quotes of a text as a CSV file.
func ticks(_ text: String, _ parameters: [String: ParameterText] = [:]) throws -> [gantry_tick] {
  let folder = try Folder()
  return try replay(try folder.write("quotes.csv", text), parameters).pullAll().map(\.tick)
}

/// The failure that `body` ends with.
func failure(_ body: () throws -> Void) throws -> PluginFailure {
  do {
    try body()
  } catch let failure as PluginFailure {
    return failure
  }
  throw TestFailure(text: "nothing failed")
}

struct TestFailure: Error { var text: String }

/// Nanoseconds of a time written with an offset.
func ns(_ text: String) -> Int64 {
  let formatter = ISO8601DateFormatter()
  formatter.formatOptions = [.withInternetDateTime]
  return Int64(formatter.date(from: text)!.timeIntervalSince1970) * 1_000_000_000
}

/// Real market data, or nil where it is not there.
func realData(_ path: String) -> String? {
  let root = ProcessInfo.processInfo.environment["GANTRY_DATA"] ?? FileManager.default.currentDirectoryPath + "/../shared/data"
  let full = root + "/lean/forex/" + path
  guard FileManager.default.fileExists(atPath: full) else {
    print("skipped: there is no \(full); set GANTRY_DATA to the folder with LEAN's data")
    return nil
  }
  return full
}

/// What a Python program prints, or nil where there is no python3.
func python(_ program: String, _ arguments: [String]) throws -> String? {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = ["python3", "-c", program] + arguments
  let pipe = Pipe()
  process.standardOutput = pipe
  process.standardError = FileHandle.nullDevice
  try process.run()
  let output = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  guard process.terminationStatus == 0 else {
    print("skipped: python3 is not there")
    return nil
  }
  return String(decoding: output, as: UTF8.self)
}

/// A small generator, so that a printed seed repeats a test.
struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }
}

/// Packs bytes the way other programs do.
enum Pack {
  static func gzip(_ bytes: [UInt8]) -> [UInt8] { deflate(bytes, windowBits: 15 + 16) }

  private static func deflate(_ bytes: [UInt8], windowBits: Int32) -> [UInt8] {
    var stream = z_stream()
    deflateInit2_(
      &stream, 6, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, zlibVersion(), Int32(MemoryLayout<z_stream>.size))
    var input = bytes
    var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))) + 64)
    let count = input.withUnsafeMutableBufferPointer { input in
      output.withUnsafeMutableBufferPointer { output in
        stream.next_in = input.baseAddress
        stream.avail_in = UInt32(input.count)
        stream.next_out = output.baseAddress
        stream.avail_out = UInt32(output.count)
        CZlib.deflate(&stream, Z_FINISH)
        return output.count - Int(stream.avail_out)
      }
    }
    deflateEnd(&stream)
    return Array(output[..<count])
  }

  static func lz4(_ bytes: [UInt8]) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: LZ4F_compressFrameBound(bytes.count, nil))
    let count = LZ4F_compressFrame(&output, output.count, bytes, bytes.count, nil)
    return Array(output[..<count])
  }

  /// A zip archive with one or more members.
  static func zip(_ members: [(name: String, bytes: [UInt8])], stored: Bool = false, comment: String = "") -> [UInt8] {
    var archive: [UInt8] = []
    var directory: [UInt8] = []
    for member in members {
      let packed = stored ? member.bytes : deflate(member.bytes, windowBits: -15)
      let crc = UInt32(crc32(0, member.bytes, UInt32(member.bytes.count)))
      let name = Array(member.name.utf8)
      let common =
        u16(20) + u16(0) + u16(stored ? 0 : 8) + u32(0) + u32(Int(crc)) + u32(packed.count) + u32(member.bytes.count)
        + u16(name.count)
      directory += u32(0x0201_4b50) + u16(20) + common + u16(0) + u16(0) + u16(0) + u16(0) + u32(0) + u32(archive.count) + name
      archive += u32(0x0403_4b50) + common + u16(0) + name + packed
    }
    let end =
      u32(0x0605_4b50) + u16(0) + u16(0) + u16(members.count) + u16(members.count) + u32(directory.count)
      + u32(archive.count) + u16(comment.utf8.count) + Array(comment.utf8)
    return archive + directory + end
  }

  private static func u16(_ value: Int) -> [UInt8] { [UInt8(value & 0xff), UInt8(value >> 8 & 0xff)] }
  private static func u32(_ value: Int) -> [UInt8] { u16(value & 0xffff) + u16(value >> 16) }
}
