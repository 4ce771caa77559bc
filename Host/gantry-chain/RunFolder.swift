import FoundationEssentials
import GantryBase
import GantryChainStore
import GantryTrace
import Glibc

/// Which run is meant: the one that is named, $GANTRY_RUN, or the newest under ./run.
enum RunFolder {
  static func find(_ named: String?) throws(GantryError) -> String {
    if let named {
      return try newest(in: named, "give the folder of a run, such as run/quickstart-20240105-133000")
    }
    if let variable = getenv("GANTRY_RUN"), variable.pointee != 0 {
      return try newest(in: String(cString: variable), "GANTRY_RUN names it; unset it to use the newest run under ./run")
    }
    return try newest(in: "run", "start one with gantry run, or name its folder")
  }

  /// The folder itself when it is a run's, else the newest run in it.
  private static func newest(in folder: String, _ remedy: String) throws(GantryError) -> String {
    if changed(folder) != nil { return folder }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    // `latest` is a link to one of the others.
    let runs = names.filter { $0 != "latest" }.compactMap { name in changed(folder + "/" + name).map { ($0, folder + "/" + name) } }
    guard let newest = runs.max(by: { $0 < $1 }) else {
      throw GantryError("trace.not-found", "\(folder) holds no run: there is no \(TraceMeta.fileName) in it or below it.", help: [remedy])
    }
    return newest.1
  }

  /// When a run's trace was written last, in nanoseconds; nil for any other folder.
  private static func changed(_ folder: String) -> Int64? {
    var status = stat()
    guard stat(folder + "/" + TraceMeta.fileName, &status) == 0 else { return nil }
    return Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
  }
}

/// `5m`: the last five minutes of the run; `2024-01-05T13:30:00` or `2024-01-05`: events from then on.
func parseSince(_ text: String) throws(GantryError) -> ChainFilter.Since {
  if let ns = parseDuration(text) { return .lastNs(ns) }
  if let ns = utcNs(text) { return .eventNs(ns) }
  throw GantryError(
    "chain.bad-time", "\(text) is neither a duration nor a time.", help: ["write 5m, 2h, 1d, or 2024-01-05T13:30:00 (UTC)"], exit: .usage)
}

/// A date, or a date and a time to the minute or second, of UTC.
private func utcNs(_ text: String) -> Int64? {
  let halves = text.split(whereSeparator: { $0 == "T" || $0 == " " })
  let numbers = { (part: Substring, separator: Character) in part.split(separator: separator, omittingEmptySubsequences: false).map { Int32($0) ?? -1 } }
  guard halves.count == 1 || halves.count == 2 else { return nil }
  let date = numbers(halves[0], "-")
  guard date.count == 3, (1970...2200).contains(date[0]), (1...12).contains(date[1]), (1...31).contains(date[2]) else { return nil }
  var parts = tm()
  parts.tm_year = date[0] - 1900
  parts.tm_mon = date[1] - 1
  parts.tm_mday = date[2]
  if halves.count == 2 {
    let time = numbers(halves[1].last == "Z" ? halves[1].dropLast() : halves[1], ":")
    guard time.count == 2 || time.count == 3, (0...23).contains(time[0]), (0...59).contains(time[1]) else { return nil }
    parts.tm_hour = time[0]
    parts.tm_min = time[1]
    if time.count == 3 {
      guard (0...59).contains(time[2]) else { return nil }
      parts.tm_sec = time[2]
    }
  }
  return Int64(timegm(&parts)) * 1_000_000_000
}
