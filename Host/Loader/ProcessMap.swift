import CLinux

/// What the dynamic loader has mapped into this process.
enum ProcessMap {
  struct Object {
    var path: String
    var mappedBytes: UInt64
    var code: [Range<UInt>]
  }

  static func objects() -> [Object] {
    final class Collector { var objects: [Object] = [] }
    let collector = Collector()
    clinux_visit_segments(
      { segment, context in
        guard let segment = segment?.pointee, let context else { return }
        let collector = Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue()
        while collector.objects.count <= Int(segment.object) {
          collector.objects.append(Object(path: String(cString: segment.path), mappedBytes: 0, code: []))
        }
        collector.objects[Int(segment.object)].mappedBytes += (segment.size + 4095) & ~4095
        if segment.is_code != 0 {
          collector.objects[Int(segment.object)].code.append(UInt(segment.start)..<UInt(segment.start + segment.size))
        }
      }, Unmanaged.passUnretained(collector).toOpaque())
    return collector.objects
  }

  /// Whether the dynamic loader still lists `path`, or the kernel still maps it.
  static func contains(path: String) -> Bool {
    if objects().contains(where: { $0.path == path }) { return true }
    guard let maps = try? FileBytes.readStream("/proc/self/maps") else { return false }
    return String(decoding: maps, as: UTF8.self).split(separator: "\n").contains { line in
      line.hasSuffix(path) || line.hasSuffix(path + " (deleted)")
    }
  }
}
