import Crypto
import FoundationEssentials
import GantryBase

/// A public key of minisign (jedisct1.github.io/minisign), as `trust: signed` lists it.
///
/// A plugin's signature is in `<file>.minisig` beside it and covers the file's bytes; a bundle's is
/// in `<folder>.minisig` and covers its SHA-256 in hexadecimal, as `gantry plugin add` prints it.
public struct SigningKey: Sendable, Equatable {
  /// Which of several keys has signed; not a secret and no proof.
  let id: [UInt8]
  let key: [UInt8]

  /// Reads a public key: the 56 characters of its base64, or the two lines of a key file.
  public init(text: String) throws(GantryError) {
    let line = text.split(separator: "\n").map(String.init).last { !$0.hasPrefix("untrusted comment:") } ?? ""
    guard let bytes = Self.bytes(line), bytes.count == 42, bytes[0] == 0x45, bytes[1] == 0x64 else {
      throw GantryError(
        LoaderCode.signature, "\"\(line.printable)\" is no public key of minisign",
        help: ["copy the second line of the .pub file that `minisign -G` wrote; it begins with RW"])
    }
    id = Array(bytes[2..<10])
    key = Array(bytes[10..<42])
  }

  /// Reads a list of keys (`plugins.keys`, or a .pub file of minisign): one a line; lines that
  /// begin with # or "untrusted comment:" are remarks.
  public static func list(path: String) throws(GantryError) -> [SigningKey] {
    guard let bytes = try? FileBytes.read(path), let text = String(validating: bytes, as: UTF8.self) else {
      throw GantryError(LoaderCode.signature, "\(path): the public keys cannot be read", help: ["write one key a line, as `minisign -G` prints it"])
    }
    var keys: [SigningKey] = []
    for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") && !line.hasPrefix("untrusted comment:") {
      keys.append(try SigningKey(text: String(line)))
    }
    return keys
  }

  /// Whether one of the keys has signed the image: nil, or why not.
  static func refusal(_ image: PluginImage, keys: [SigningKey]) -> Diagnostic? {
    var path = image.path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return refusal(path: path, message: image.isBundle ? Array(image.sha256.utf8) : image.mainBytes, keys: keys)
  }

  static func refusal(path: String, message: [UInt8], keys: [SigningKey]) -> Diagnostic? {
    func refused(_ text: String, _ help: String) -> Diagnostic {
      Diagnostic(.error, LoaderCode.signature, "\(path): \(text), and the graph says `trust: signed`", help: [help])
    }
    guard let bytes = try? FileBytes.read(path + ".minisig"), let text = String(validating: bytes, as: UTF8.self) else {
      return refused("has no signature", "sign it: minisign -Sm \(path)")
    }
    guard let signature = Signature(text) else { return refused("\(path).minisig is damaged", "sign it again: minisign -Sm \(path)") }
    guard let key = keys.first(where: { $0.id == signature.keyID }) else {
      return refused("is signed with a key that is not listed", "list the key, if you trust who holds it")
    }
    guard signature.isValid(of: message, by: key) else {
      return refused("its signature does not fit its bytes", "get the file again from where it was signed; somebody has changed it")
    }
    return nil
  }

  fileprivate static func bytes(_ base64: String) -> [UInt8]? { Data(base64Encoded: base64).map(Array.init) }
}

/// The four lines of a `.minisig` file.
private struct Signature {
  let keyID: [UInt8]
  /// Of the bytes themselves (`Ed`, as minisign did before 0.10), or of their BLAKE2b hash (`ED`).
  let isPrehashed: Bool
  let signature: [UInt8]
  let trustedComment: [UInt8]
  /// Of the signature and the trusted comment.
  let globalSignature: [UInt8]

  init?(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.hasSuffix("\r") ? String($0.dropLast()) : String($0) }
    guard lines.count >= 4, lines[0].hasPrefix("untrusted comment:"), lines[2].hasPrefix("trusted comment: "),
      let first = SigningKey.bytes(lines[1]), first.count == 74, first[0] == 0x45, first[1] == 0x64 || first[1] == 0x44,
      let second = SigningKey.bytes(lines[3]), second.count == 64
    else { return nil }
    isPrehashed = first[1] == 0x44
    keyID = Array(first[2..<10])
    signature = Array(first[10..<74])
    trustedComment = Array(lines[2].dropFirst("trusted comment: ".count).utf8)
    globalSignature = second
  }

  func isValid(of message: [UInt8], by key: SigningKey) -> Bool {
    guard let publicKey = try? Curve25519.Signing.PublicKey(rawRepresentation: key.key) else { return false }
    let signed = isPrehashed ? Blake2b.hash(message) : message
    return publicKey.isValidSignature(signature, for: signed)
      && publicKey.isValidSignature(globalSignature, for: signature + trustedComment)
  }
}
