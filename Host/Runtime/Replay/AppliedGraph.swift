import FoundationEssentials
import GantryBase
import GantryGraph
import GantryJournal

/// What a journal keeps of one apply: enough to carry it out again at the same place. JSON among the
/// journal's objects, named by its hash in the record of every lane.
public struct AppliedGraph: Sendable, Codable {
  /// What was done with one node.
  public struct Node: Sendable, Codable, Equatable {
    public var node: String
    public var action: NodeChange.Action
    public var reasons: [String]
    /// A kept instance got new live parameters.
    public var setsLive: Bool
  }

  /// Counts the applies of the run, from 1.
  public var number: UInt32
  public var id: String
  public var by: String
  /// Those of the new graph, in its order, then those that were removed.
  public var nodes: [Node]
  /// Every name that a node and a lane had in the run so far, by number: those of applies that failed too.
  public var nodeNames: [String]
  public var laneNames: [String]
  /// Node numbers of the run's sources, by origin.
  public var origins: [Int]
  /// Every model that was named so far, by number.
  public var models: [ModelName]
  /// What the one who asked wrote down of the graph: its source, and the hashes that pin it.
  public var head: String

  func bytes() throws(GantryError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return Array(try encoder.encode(self))
    } catch {
      throw GantryError("apply.not-written", "the apply cannot be written down: \(error)", exit: .bug)
    }
  }

  /// Reads the description of an apply from a journal's objects.
  static func read(_ journal: String, _ record: ApplyRecord) throws(GantryError) -> AppliedGraph {
    let bytes = try JournalReader(directory: journal).object(sha256: record.sha256Text)
    do {
      return try JSONDecoder().decode(AppliedGraph.self, from: Data(bytes))
    } catch {
      throw GantryError(
        "replay.no-change", "what \(journal) keeps of apply \(record.number) is not what this version writes", help: ["replay it with the gantry that wrote it"])
    }
  }
}

/// The graph of an apply, made again.
public struct ScriptedApply: Sendable {
  public var graph: Graph
  /// By place in the graph.
  public var code: [PluginCode]

  public init(graph: Graph, code: [PluginCode]) {
    self.graph = graph
    self.code = code
  }
}

/// A model's name and version, as `model_ref` was told.
public struct ModelName: Sendable, Codable, Equatable {
  public var name: String
  public var version: String
}

extension ApplyRecord {
  init(number: UInt32, lanes: Int, cutNs: Int64, ranToCut: Bool, sources: Int, sha256: String) {
    self.init(number: number, lanes: UInt32(lanes), cutNs: cutNs, ranToCut: ranToCut ? 1 : 0, sources: UInt32(sources), sha256: (0, 0, 0, 0))
    withUnsafeMutableBytes(of: &self.sha256) { bytes in
      var digits = sha256.utf8.makeIterator()
      for index in bytes.indices {
        guard let high = digits.next(), let low = digits.next() else { return }
        bytes[index] = ApplyRecord.value(high) << 4 | ApplyRecord.value(low)
      }
    }
  }

  /// In lower-case hexadecimal.
  var sha256Text: String {
    withUnsafeBytes(of: sha256) { $0.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }
  }

  private static func value(_ digit: UInt8) -> UInt8 { digit <= 0x39 ? digit &- 0x30 : digit &- 0x57 }
}
