import GantrySDK

/// The formats of models, told apart by their first bytes.
enum ModelFile {
  /// More than any model that is worth a tick's wait: a file of this size takes tens of seconds to read.
  static var sizeMax: Int { 1 << 30 }

  static func read(_ bytes: UnsafeRawBufferPointer, file: Text) throws(Failure) -> TreeModel {
    func refused(_ text: Text) -> Failure { Failure.invalid("\(file): \(text)") }
    if bytes.count == 0 { throw refused("the file is empty; write the model again") }
    if bytes.count > sizeMax { throw refused("the file has \(bytes.count) bytes; models may have up to \(sizeMax)") }
    func begins(_ text: StaticString) -> Bool {
      guard bytes.count >= text.utf8CodeUnitCount else { return false }
      for index in 0..<text.utf8CodeUnitCount where bytes[index] != text.utf8Start[index] { return false }
      return true
    }
    if begins("tree\n") || begins("tree\r\n") {
      var reader = LightGBMReader(bytes, file: file)
      return try reader.read()
    }
    if begins("{") {
      if bytes.count > 1, isLengthMarker(bytes[1]) {
        var reader = XGBoostReader(UBJSONDocument(bytes, file: file))
        return try reader.read()
      }
      var reader = XGBoostReader(JSONDocument(bytes, file: file))
      return try reader.read()
    }
    if begins("binf") || begins("CONFIG-offset:") {
      throw refused("this is XGBoost's old binary format; load it with XGBoost 2 and write it with booster.save_model(\"model.ubj\")")
    }
    if begins("[") { throw refused("this is a list, such as get_dump makes for people; write the model with booster.save_model(\"model.json\")") }
    if begins("PK") || begins("\u{1F}") { throw refused("this is an archive; unpack it, and name the model in it") }
    if bytes[0] == 0x80 || begins("lightgbm") || begins("xgboost") {
      throw refused("this is a Python pickle, which only Python can read; write the model with booster.save_model, or model.booster_.save_model for LightGBM's scikit-learn classes")
    }
    if bytes[0] == 0x08 { throw refused("this looks like an ONNX model; the plugin onnx reads those") }
    if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { throw refused("the file begins with a byte order mark; save it as UTF-8 without one") }
    throw refused("this is neither XGBoost's JSON or UBJSON nor LightGBM's text; write the model with booster.save_model")
  }

  /// UBJSON: the type of the length of an object's first key, its count, or its end without a key.
  private static func isLengthMarker(_ byte: UInt8) -> Bool {
    switch byte {
    case 105, 85, 73, 108, 76, 35, 36, 78: true
    default: false
    }
  }

  /// The model's name where nothing else gives one: the file's, without folder and ending.
  static func name(_ path: Text) -> Text {
    var name: Text = ""
    for byte in path.bytes {
      if byte == 47 { name = "" } else { name.bytes.append(byte) }
    }
    var end = name.bytes.count
    while end > 1, name.bytes[end - 1] != 46 { end -= 1 }
    if end > 1 { name.bytes.removeLast(name.bytes.count - end + 1) }
    return name.bytes.isEmpty ? "model" : name
  }

  /// The model's version where nothing else gives one: 16 hexadecimal digits that other bytes would
  /// change (FNV-1a; it says which file it was, and is no protection).
  static func version(_ bytes: UnsafeRawBufferPointer) -> Text {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    var text: Text = ""
    for shift in 0..<16 {
      let digit = UInt8(hash >> UInt64(60 - 4 * shift) & 15)
      text.bytes.append(digit < 10 ? 48 + digit : 87 + digit)
    }
    return text
  }
}
