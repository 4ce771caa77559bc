import Crypto
import Foundation
import GantryBase
import Testing

@testable import GantryLoader

@Suite struct SignatureTests {
  @Test func `BLAKE2b gives the hash of RFC 7693, appendix A`() {
    let expected =
      "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
    #expect(Blake2b.hash(Array("abc".utf8)).map { String(format: "%02x", $0) }.joined() == expected)
  }

  @Test func `BLAKE2b takes empty, full and long input`() {
    #expect(Blake2b.hash([]).prefix(4).elementsEqual([0x78, 0x6A, 0x02, 0xF7]))
    // Blocks of exactly 128 and 256 bytes have no empty last block.
    #expect(Set([127, 128, 129, 256].map { Blake2b.hash([UInt8](repeating: 0, count: $0)) }).count == 4)
  }

  /// A file signed by minisign itself, with the key of its documentation.
  @Test func `a signature that minisign made is accepted, and one changed byte is not`() throws {
    let key = try SigningKey(text: "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3")
    let signature = """
      untrusted comment: signature from minisign secret key
      RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
      trusted comment: timestamp:1555779966\tfile:test
      QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==

      """
    #expect(refusal(Array("test".utf8), signature, [key]) == nil)
    #expect(refusal(Array("Test".utf8), signature, [key])?.contains("does not fit its bytes") == true)
    #expect(refusal(Array("test".utf8), signature.replacing("file:test", with: "file:best"), [key])?.contains("does not fit its bytes") == true)
  }

  @Test func `a prehashed signature is accepted from a listed key only`() throws {
    let secret = Curve25519.Signing.PrivateKey()
    let key = try SigningKey(text: publicKey(secret))
    let other = try SigningKey(text: publicKey(Curve25519.Signing.PrivateKey(), id: 9))
    let message = (0..<5_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let text = try signed(message, secret)
    #expect(refusal(message, text, [other, key]) == nil)
    #expect(refusal(message, text, [other])?.contains("not listed") == true)
    #expect(refusal(message + [0], text, [key])?.contains("does not fit its bytes") == true)
    #expect(refusal(message, "nonsense", [key])?.contains("is damaged") == true)
    #expect(refusal(message, nil, [key])?.contains("has no signature") == true)
  }

  @Test(arguments: ["", "RWQ", "untrusted comment: x\nAAAA", "not base64!"])
  func `what is no key is refused`(text: String) {
    #expect(throws: GantryError.self) { try SigningKey(text: text) }
  }

  @Test func `a list of keys has one a line, and remarks`() throws {
    let path = "/tmp/gantry-keys-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let (one, two) = (publicKey(Curve25519.Signing.PrivateKey(), id: 1), publicKey(Curve25519.Signing.PrivateKey(), id: 2))
    try Data(("# whom we trust\n" + one + "\n" + two).utf8).write(to: URL(fileURLWithPath: path))
    #expect(try SigningKey.list(path: path).map { $0.id[0] } == [1, 2])
  }

  private func publicKey(_ secret: Curve25519.Signing.PrivateKey, id: UInt8 = 7) -> String {
    "untrusted comment: minisign public key\n"
      + Data([0x45, 0x64] + [UInt8](repeating: id, count: 8) + secret.publicKey.rawRepresentation).base64EncodedString() + "\n"
  }

  private func signed(_ message: [UInt8], _ secret: Curve25519.Signing.PrivateKey) throws -> String {
    let comment = "made by a test"
    let signature = try secret.signature(for: Blake2b.hash(message))
    let global = try secret.signature(for: signature + Array(comment.utf8))
    let first = Data([0x45, 0x44] + [UInt8](repeating: 7, count: 8) + signature).base64EncodedString()
    return "untrusted comment: x\n\(first)\ntrusted comment: \(comment)\n\(global.base64EncodedString())\n"
  }

  /// What is said of bytes and their signature, through an image that is no plugin.
  private func refusal(_ bytes: [UInt8], _ signature: String?, _ keys: [SigningKey]) -> String? {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("gantry-signature-\(UUID().uuidString)")
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("libx.so").path
    if let signature { try? Data(signature.utf8).write(to: URL(fileURLWithPath: path + ".minisig")) }
    return SigningKey.refusal(path: path, message: bytes, keys: keys)?.text
  }
}
