import Foundation
import GantryBase
import GantryGraph
import GantryManifest
import Testing

/// A small generator whose sequence depends on the seed alone.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Good graphs, damaged at random: never a crash, never a mistake without a place, never an error beside a graph.
/// `GANTRY_SEED` repeats one run, `GANTRY_ROUNDS` makes it longer.
@Suite struct MutationTests {
  static let environment = ProcessInfo.processInfo.environment
  static let seed = environment["GANTRY_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: .min ... .max)
  static let rounds = environment["GANTRY_ROUNDS"].flatMap { Int($0) } ?? 400

  static let seeds: [String] = {
    let broken = (try? FileManager.default.contentsOfDirectory(at: BrokenGraphTests.folder, includingPropertiesForKeys: nil)) ?? []
    let texts = broken.filter { $0.pathExtension == "yaml" }.sorted { $0.path < $1.path }.compactMap { try? String(contentsOf: $0, encoding: .utf8) }
    return [Catalog.momentum, OverlayTests.text] + texts
  }()

  func check(_ bytes: [UInt8], _ note: String, profile: String? = nil) {
    let (graph, diagnostics) = GraphBuilder.build(
      file: "graphs/m.yaml", bytes: bytes, catalog: Catalog.answer, options: GraphOptions(profile: profile, sets: ["ticks.seed=1"], files: Catalog.files))
    let isGood = (graph == nil) == diagnostics.contains { $0.severity == .error } && diagnostics.allSatisfy { $0.place != nil || $0.code.hasPrefix("loader.") }
    if !isGood { Issue.record("\(note):\n\(String(decoding: bytes, as: UTF8.self))\n\(diagnostics.map { $0.rendered() }.joined(separator: "\n"))") }
    for diagnostic in diagnostics {
      let text = diagnostic.rendered()
      let excerpt = Array((diagnostic.place?.excerpt ?? "").unicodeScalars)
      if let place = diagnostic.place, !excerpt.isEmpty, place.column > excerpt.count + 1 {
        Issue.record("\(note): the caret is beside the line:\n\(text)")
      }
    }
    if let graph {
      for format in GraphDrawing.Format.allCases where graph.nodes.count < 100 { _ = GraphDrawing.draw(graph, as: format) }
      if !GraphDiff.diff(old: graph, new: graph).allSatisfy({ $0.action == .keep }) { Issue.record("\(note): a graph differs from itself") }
    }
  }

  @Test func `damaged bytes never crash and every mistake has a place`() {
    var random = SplitMix(state: Self.seed)
    for round in 0..<Self.rounds {
      var bytes = Array(Self.seeds[Int.random(in: 0..<Self.seeds.count, using: &random)].utf8)
      for _ in 0..<Int.random(in: 1...6, using: &random) where !bytes.isEmpty {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
        case 1: bytes.remove(at: at)
        case 2: bytes.insert("{}[]:,&*!|>'\"%@`~#-? \n\t$".utf8.randomElement(using: &random) ?? 0, at: at)
        case 3: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...40, using: &random)))
        case 4: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + Int.random(in: 1...80, using: &random))], at: at)
        default: bytes.insert(contentsOf: ["\u{2028}", "\u{FEFF}", "\r\n", "é", "\u{85}", "🚢"].randomElement(using: &random)?.utf8.map { $0 } ?? [], at: at)
        }
      }
      check(bytes, "seed \(Self.seed), round \(round)", profile: Bool.random(using: &random) ? "live" : nil)
    }
  }

  @Test func `damaged structure never crashes and every mistake has a place`() {
    var random = SplitMix(state: Self.seed ^ 1)
    // Words that mean something somewhere, put where they do not belong.
    let words =
      "graph clock plugins instruments nodes profiles tests params from lane queue swap for_each ticks broker broker.executions~ 0 -1 1e999 5% [] {} ~ null true '${each}' instruments file: * halt 99999999999999999999 [a,[b]] {a: {b: c}}"
      .split(separator: " ").map(String.init)
    for round in 0..<Self.rounds {
      let text = Self.seeds[Int.random(in: 0..<Self.seeds.count, using: &random)]
      var tokens: [Substring] = []
      var rest = text[...]
      while !rest.isEmpty {
        let isWord = rest.first?.isLetter == true
        let token = rest.prefix { $0.isLetter == isWord && (isWord || $0 == rest.first) }
        tokens.append(token)
        rest = rest.dropFirst(token.count)
      }
      for _ in 0..<Int.random(in: 1...4, using: &random) where !tokens.isEmpty {
        let at = Int.random(in: 0..<tokens.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: tokens[at] = words[Int.random(in: 0..<words.count, using: &random)][...]
        case 1: tokens[at] = tokens[Int.random(in: 0..<tokens.count, using: &random)]
        default: tokens.swapAt(at, Int.random(in: 0..<tokens.count, using: &random))
        }
      }
      check(Array(tokens.joined().utf8), "seed \(Self.seed), round \(round)")
    }
  }

  /// Files at the edges of the limits, each made to cost as much as it can.
  enum Hostile: String, CaseIterable, Sendable {
    case manyNodes, manyEdges, fanIn, repeatedParams, longNames, manyFeedbacks, deepList, manyLines, openQuote

    var text: String {
      let items = (0..<4000).map { "I\($0)" }.joined(separator: ",")
      switch self {
      case .manyNodes: return "graph: a\nnodes:\n" + lines(6000) { "n\($0): { plugin: synthetic }" }
      case .manyEdges: return "graph: a\nnodes:\n" + lines(4000) { "n\($0): { plugin: log, from: [n\(($0 + 1) % 4000), m\($0)] }" }
      case .fanIn: return "graph: a\nnodes:\n  t: { plugin: synthetic, for_each: [\(items)] }\n" + lines(90) { "l\($0): { plugin: log, from: t }" }
      case .repeatedParams:
        let values = (0..<90_000).map { "\($0)" }.joined(separator: ",")
        return "graph: a\nnodes:\n  t: { plugin: synthetic, for_each: [\(items)], params: { instruments: [\(values)] } }\n"
      case .longNames:
        let name = String(repeating: "n", count: 500_000)
        return "graph: a\nnodes: { \(name): { plugin: \(name.prefix(400_000)) } }\n"
      case .manyFeedbacks:
        return "graph: a\nnodes:\n" + lines(3000) { "n\($0): { plugin: limits, from: { orders: n\(($0 + 1) % 3000)~, executions: n\($0)~ } }" }
      case .deepList: return "graph: a\n? " + String(repeating: "- ", count: 300_000)
      case .manyLines: return String(repeating: "\n", count: 1_000_000) + "a"
      case .openQuote: return "a: \"" + String(repeating: "\\", count: 1_000_000)
      }
    }

    private func lines(_ count: Int, _ line: (Int) -> String) -> String { (0..<count).map { "  " + line($0) + "\n" }.joined() }
  }

  @Test(.timeLimit(.minutes(2)), arguments: Hostile.allCases) func `hostile files are answered in time`(file: Hostile) {
    let start = ContinuousClock.now
    check(Array(file.text.utf8.prefix(ManifestLimits.bytes)), file.rawValue)
    #expect(ContinuousClock.now - start < .seconds(60))
  }
}
