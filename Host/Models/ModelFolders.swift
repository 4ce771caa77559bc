import GantryBase
import GantryManifest

/// The models of some folders, by name: `FOLDER/NAME/VERSION/model.yaml` beside the artifact, and
/// `FOLDER/NAME/aliases/ALIAS`, a file that holds a version.
///
/// Reads only, through `ManifestFiles`, and trusts nothing it finds: names are no paths, links may not
/// lead out of a version's folder, and every file is compared with its hash. Where two folders have a
/// model of one name, the first one's counts.
public struct ModelFolders: Sendable {
  public let paths: [String]
  let files: ManifestFiles

  /// - Parameter paths: absolute
  public init(_ paths: [String], files: ManifestFiles = .disk) {
    self.paths = paths
    self.files = files
  }

  /// The folder of aliases in a model's folder.
  static let aliases = "aliases"
  /// How many names of one folder are looked at.
  private static let namesMax = 10_000

  // MARK: what is there

  /// Names of all models, sorted.
  public func names() -> [String] {
    var names: Set<String> = []
    for path in paths {
      for name in files.names(path, Self.namesMax) ?? [] where ModelReference.isName(name) && isModel("\(path)/\(name)") { names.insert(name) }
    }
    return names.sorted()
  }

  /// The folder of a model; nil when there is none of this name.
  public func folder(of name: String) -> String? {
    guard ModelReference.isName(name) else { return nil }
    return paths.lazy.map { "\($0)/\(name)" }.first { isModel($0) }
  }

  private func isModel(_ folder: String) -> Bool {
    files.kind(folder) == .folder && (files.names(folder, Self.namesMax) ?? []).contains { ModelReference.version($0) != nil || $0 == Self.aliases }
  }

  /// Versions of a model, ascending.
  public func versions(of name: String) -> [Int] {
    guard let folder = folder(of: name) else { return [] }
    return (files.names(folder, Self.namesMax) ?? []).compactMap(ModelReference.version).sorted()
  }

  /// Names of a model's aliases, sorted; whether they lead anywhere is for `resolve`.
  public func aliases(of name: String) -> [String] {
    guard let folder = folder(of: name) else { return [] }
    return (files.names("\(folder)/\(Self.aliases)", Self.namesMax) ?? []).filter { ModelReference.isName($0) && $0 != ModelReference.latest }
  }

  // MARK: finding one

  /// The version that a reference means now.
  ///
  /// - Parameter verifies: reads the files and compares their hashes; otherwise only `model.yaml` is read
  public func resolve(_ reference: ModelReference, verifies: Bool = true) throws(GantryError) -> Model {
    guard let folder = folder(of: reference.name) else { throw unknown(reference.name) }
    var follows: [String] = []
    let version: Int
    switch reference.selector {
    case .version(let wanted): version = wanted
    case .alias(let alias): version = try self.version(of: alias, in: folder, reference.name, &follows)
    case .latest:
      guard let last = versions(of: reference.name).last else { throw unknown(reference.name, version: nil) }
      version = last
      follows = ["\(folder)/\(last + 1)"]
    }
    guard versions(of: reference.name).contains(version) else { throw unknown(reference.name, version: version, follows.first) }
    let place = "\(folder)/\(version)"
    let card = try card(place)
    let path = try file(card.file, sha256: card.sha256, in: place, verifies)
    for (name, hash) in card.also.sorted(by: { $0.key < $1.key }) { _ = try file(name, sha256: hash, in: place, verifies) }
    return Model(reference: reference.text, name: reference.name, version: version, path: path, card: card, follows: follows)
  }

  /// The version that an alias leads to, by way of other aliases too.
  public func version(of alias: String, model: String) throws(GantryError) -> Int {
    guard let folder = folder(of: model) else { throw unknown(model) }
    var follows: [String] = []
    return try version(of: alias, in: folder, model, &follows)
  }

  private func version(of alias: String, in folder: String, _ model: String, _ follows: inout [String]) throws(GantryError) -> Int {
    var name = alias
    var seen: [String] = []
    while true {
      guard !seen.contains(name), seen.count < ModelLimits.aliasDepth else {
        throw GantryError(
          .aliasLoop, "the alias \(alias) of \(model) leads in a circle or too far: \((seen + [name]).joined(separator: " -> "))",
          help: ["point one of them at a version: `gantry model alias \(model) \(alias) \(versions(of: model).last.map { String($0) } ?? "1")`"])
      }
      seen.append(name)
      let path = "\(folder)/\(Self.aliases)/\(name)"
      guard files.kind(path) != nil else { throw unknown(alias: name, of: model, in: folder) }
      try checkInside(path, "\(folder)/\(Self.aliases)")
      follows.append(path)
      let again = "write it anew: `gantry model alias \(model) \(name) VERSION`"
      guard files.kind(path) == .file, case .success(let bytes) = files.read(path, 256), bytes.count <= 256 else {
        throw GantryError(.badAlias, "\(path) is no file of a few bytes, as an alias is", help: [again])
      }
      let text = String(decoding: bytes, as: UTF8.self).filter { $0 != "\n" && $0 != "\r" && $0 != " " }
      if let version = ModelReference.version(text) { return version }
      guard ModelReference.isName(text), text != ModelReference.latest else {
        throw GantryError(.badAlias, "\(path) holds \(quoted(text)), which is neither a version nor an alias", help: [again])
      }
      name = text
    }
  }

  // MARK: its files

  /// Reads `model.yaml` of a version's folder.
  private func card(_ folder: String) throws(GantryError) -> ModelCard {
    let path = "\(folder)/\(ModelCard.name)"
    guard files.kind(path) == .file else {
      throw GantryError(.badCard, "\(path) is missing", help: ["`gantry model add FILE --name NAME` writes a whole version; remove this folder"])
    }
    try checkInside(path, folder)
    switch files.read(path, ModelLimits.cardBytes) {
    case .failure(let failure): throw GantryError(.badCard, "\(path) cannot be read: \(failure.text)", help: ["let the host's user read it"])
    case .success(let bytes):
      guard bytes.count <= ModelLimits.cardBytes else {
        throw GantryError(.tooLarge, "\(path) has more than \(ModelLimits.cardBytes) bytes", help: ["it holds a few lines about the model, not the model"])
      }
      return try ModelCard(bytes: bytes, file: path)
    }
  }

  /// The path of one file of a version, checked.
  private func file(_ name: String, sha256: String, in folder: String, _ verifies: Bool) throws(GantryError) -> String {
    let path = "\(folder)/\(name)"
    guard files.kind(path) == .file else {
      throw GantryError(
        .noFile, files.kind(path) == nil ? "\(path) is not there, and model.yaml names it" : "\(path) is no regular file",
        help: ["put the file back, or add the model again: `gantry model add FILE --name NAME`"])
    }
    try checkInside(path, folder)
    if let size = files.size(path), size > ModelLimits.artifactBytes { throw tooLarge(path, size) }
    guard verifies else { return path }
    switch files.read(path, ModelLimits.artifactBytes) {
    case .failure(let failure): throw GantryError(.noFile, "\(path) cannot be read: \(failure.text)", help: ["let the host's user read it"])
    case .success(let bytes):
      if bytes.count > ModelLimits.artifactBytes { throw tooLarge(path, bytes.count) }
      if let kind = ModelArchive.kind(of: bytes) {
        throw GantryError(
          .archive, "\(path) is a packed file (\(kind)); what it holds may be of any size, and nothing is unpacked",
          help: ["unpack it and add the model's own file: `gantry model add FILE --name NAME`"])
      }
      let found = ModelDigest.sha256(bytes)
      guard found == sha256 else {
        throw GantryError(
          .hashMismatch, "\(path) has SHA-256 \(found.prefix(16))..., and its model.yaml says \(sha256.prefix(16))...",
          help: ["a version never changes: put the file back, or add the new one as a version of its own with `gantry model add`"])
      }
      return path
    }
  }

  /// Neither the file nor a folder above it may be a link that leads out of the model's version.
  private func checkInside(_ path: String, _ folder: String) throws(GantryError) {
    let parts = folder.split(separator: "/")
    let root = "/" + parts.dropLast(2).joined(separator: "/")
    guard let realRoot = files.real(root), let real = files.real(path),
      real.hasPrefix((realRoot == "/" ? "" : realRoot) + "/" + parts.suffix(2).joined(separator: "/") + "/")
    else { throw outside(path) }
  }

  // MARK: what can be wrong

  private func outside(_ path: String) -> GantryError {
    GantryError(
      .outside, "\(path) leads out of its model's folder", help: ["replace the link by the file itself: `gantry model add FILE --name NAME` copies it"])
  }

  private func tooLarge(_ path: String, _ size: Int) -> GantryError {
    GantryError(
      .tooLarge, "\(path) has \(size) bytes; a model's file may have \(ModelLimits.artifactBytes)",
      help: ["make the model smaller (fewer trees, float instead of double), or split it into files that `also:` names"])
  }

  private func unknown(_ name: String) -> GantryError {
    let names = names()
    let near = nearest(to: name, among: names).map { ["did you mean \($0)?"] } ?? []
    let looked = paths.joined(separator: ", ")
    return GantryError(
      .unknownModel, names.isEmpty ? "there is no model \(quoted(name)), nor any other, in \(looked)" : "there is no model \(quoted(name)) in \(looked)",
      help: near + [
        names.isEmpty
          ? "add one: `gantry model add FILE --name \(name)`, or name the folder under `models: { path: [FOLDER] }`"
          : "there are: \(Self.listed(names)); `gantry model list` shows them"
      ])
  }

  private func unknown(_ name: String, version: Int?, _ alias: String? = nil) -> GantryError {
    let versions = versions(of: name).map { String($0) }
    let by = alias.map { ", which \($0) names" } ?? ""
    return GantryError(
      .unknownVersion, version.map { "the model \(name) has no version \($0)\(by)" } ?? "the model \(name) has no versions",
      help: [versions.isEmpty ? "add one: `gantry model add FILE --name \(name)`" : "it has: \(Self.listed(versions.reversed()))"])
  }

  private func unknown(alias: String, of model: String, in folder: String) -> GantryError {
    let names = aliases(of: model)
    let near = nearest(to: alias, among: names + [ModelReference.latest]).map { ["did you mean \($0)?"] } ?? []
    return GantryError(
      .unknownAlias, "the model \(model) has no alias \(quoted(alias))",
      help: near + [
        names.isEmpty
          ? "make it: `gantry model alias \(model) \(alias) \(versions(of: model).last.map { String($0) } ?? "VERSION")`"
          : "it has: \(Self.listed(names)) and latest"
      ])
  }

  private static func listed(_ names: [String]) -> String {
    names.count <= 24 ? names.joined(separator: ", ") : names.prefix(24).joined(separator: ", ") + " and \(names.count - 24) more"
  }
}
