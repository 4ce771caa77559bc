import GantryBase

/// A public key of minisign, as `trust: signed` lists it.
public struct SigningKey: Sendable, Equatable {
  static func refusal(_ image: PluginImage, keys: [SigningKey]) -> Diagnostic? { nil }
}
