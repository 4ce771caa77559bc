import CGantry
import GantryBase

/// Saved states between versions, by plugins that offer `gantry.state-convert/1`.
enum StateConversion {
  /// The first converter that knows both layouts; nil when none does.
  static func convert(
    _ bytes: UnsafeBufferPointer<UInt8>, from old: gantry_state, to new: gantry_state, _ converters: [PluginCode]
  ) throws(GantryError) -> [UInt8]? {
    for code in converters {
      guard let get = code.raw.pointee.get_extension,
        let found = get(code.raw, ("gantry.state-convert/1" as StaticString).abiText)
      else { continue }
      guard found.load(as: UInt32.self) >= UInt32(MemoryLayout<gantry_state_convert>.size) else { continue }
      let table = found.assumingMemoryBound(to: gantry_state_convert.self)
      let (status, bytes) = StateSink.collect { writer in
        table.pointee.convert(
          old.schema, old.version, gantry_bytes(data: bytes.baseAddress, length: UInt64(bytes.count)), new.schema, new.version, writer)
      }
      if status == GANTRY_OK { return bytes }
      guard status == GANTRY_UNSUPPORTED else {
        throw GantryError(
          "swap.conversion-failed", "\(code.description.id)@\(code.description.version) could not convert the state (\(statusName(status)))")
      }
    }
    return nil
  }
}
