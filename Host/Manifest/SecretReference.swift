/// Where a secret is to be found: `${env:NAME}` or `${file:PATH}` in a graph file.
///
/// It is all that a manifest, a graph, a plan or a diagnostic ever holds of a secret. The value is
/// read by the host at the moment a node that was granted secrets asks for it.
public enum SecretReference: Sendable, Hashable {
  case environment(name: String)
  case file(path: String)

  /// From the whole text of a scalar; nil when it is not exactly one reference.
  public init?(_ text: some StringProtocol) {
    guard text.hasPrefix("${"), text.hasSuffix("}") else { return nil }
    let inside = text.dropFirst(2).dropLast()
    guard !inside.contains("}"), let colon = inside.firstIndex(of: ":") else { return nil }
    let rest = String(inside[inside.index(after: colon)...])
    guard !rest.isEmpty else { return nil }
    switch inside[..<colon] {
    case "env":
      guard let first = rest.utf8.first, !(0x30...0x39).contains(first), rest.utf8.allSatisfy(Self.isNameByte) else { return nil }
      self = .environment(name: rest)
    case "file": self = .file(path: rest)
    default: return nil
    }
  }

  /// What the host looks it up by: `env:NAME` or `file:PATH`.
  public var name: String {
    switch self {
    case .environment(let name): "env:" + name
    case .file(let path): "file:" + path
    }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x5F
  }
}
