import FoundationEssentials
import GantryBase
import GantryGraph

#if canImport(Glibc)
  import Glibc
#endif

/// A run that follows a journal: a script for each lane, in place of the readers.
extension Run {
  /// The rings that bring the journal to the lanes, wide enough for what these instances write. While the
  /// scripts wait, or before they begin.
  ///
  /// - Parameter apply: the number of the one that makes further lanes
  func scriptRings(lanes count: Int, _ instances: [Instance], apply: UInt32 = 0) -> [Int: BlockRing] {
    let widest = instances.flatMap { $0.schemas.map(\.stride) }.max() ?? 64
    for script in scripts { script.widen(to: widest) }
    for lane in scripts.count..<max(count, scripts.count) {
      scripts.append(
        JournalScript(
          path: options.script ?? "", lane: lane, stride: widest, bell: bells[lane], changes: scriptedChanges, sources: scriptedSources, begins: apply,
          bringsTimers: graph.clock == .live))
    }
    return Dictionary(uniqueKeysWithValues: scripts.map { ($0.lane, $0.ring) })
  }

  /// Before the lanes run: who carries out what the journal tells of.
  func startScripts() throws(GantryError) {
    guard options.script != nil else { return }
    try scriptedChanges.start()
    try takeScripts()
  }

  /// The scripts feed the lanes as they are now; those of new lanes begin.
  func takeScripts() throws(GantryError) {
    let readers = intakes.compactMapValues(\.reader)
    for script in scripts { script.take(planner.lanes[script.lane], readers) }
    for script in scripts { try script.start() }
  }

  /// Before an apply that the journal tells of: names and numbers are what they were then, whatever came
  /// to nothing between.
  func take(_ applied: AppliedGraph) {
    roster = applied.nodeNames
    for name in applied.laneNames.dropFirst(laneRoster.count) { addLane(name) }
    origins = applied.origins
    services.take(models: applied.models)
  }

  /// What is followed becomes the first part of a journal that goes on: with the bytes that it names, and what it
  /// keeps of changes.
  func adopt(_ script: String, into journal: String) throws(GantryError) {
    for part in ["objects", "changes"] {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(script)/\(part)")) ?? []
      guard !names.isEmpty else { continue }
      try makeFolder("\(journal)/\(part)")
      for name in names where !FileManager.default.fileExists(atPath: "\(journal)/\(part)/\(name)") {
        let (from, to) = ("\(script)/\(part)/\(name)", "\(journal)/\(part)/\(name)")
        // Nobody writes to such a file again: two names for it are as good as two files.
        if link(from, to) == 0 { continue }
        do {
          try FileManager.default.copyItem(atPath: from, toPath: to)
        } catch {
          throw GantryError("recover.not-written", "cannot copy \(from) to \(to): \(error)", exit: .failed)
        }
      }
    }
  }
}
