import Crypto

/// SHA-256 as models folders, plugins.lock and journals write it.
public enum ModelDigest {
  /// Lower-case hexadecimal.
  public static func sha256(_ bytes: [UInt8]) -> String { text(SHA256.hash(data: bytes)) }

  /// Whether a text is such a hash.
  public static func isOne(_ text: String) -> Bool {
    text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  private static func text(_ digest: some Sequence<UInt8>) -> String {
    var result: [UInt8] = []
    result.reserveCapacity(64)
    let figures = Array("0123456789abcdef".utf8)
    for byte in digest {
      result.append(figures[Int(byte >> 4)])
      result.append(figures[Int(byte & 15)])
    }
    return String(decoding: result, as: UTF8.self)
  }
}
