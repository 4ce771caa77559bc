import Glibc

/// A table of text, for the terminal and for Markdown at once.
struct Table {
  var title: String
  var columns: [String]
  var rows: [[String]] = []

  init(title: String, columns: [String]) {
    self.title = title
    self.columns = columns
  }

  mutating func add(_ row: [String]) { rows.append(row) }

  var markdown: String {
    var widths = columns.map(\.count)
    for row in rows { for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) } }
    func line(_ cells: [String]) -> String {
      "| " + zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: " | ") + " |"
    }
    let rule = "|" + widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "|") + "|"
    return ([("## " + title), "", line(columns), rule] + rows.map(line)).joined(separator: "\n")
  }
}

/// Everything that was measured, in the order it came.
struct Report {
  private var parts: [String] = []
  private(set) var missed: [String] = []
  private let loadBefore = Machine.load

  mutating func add(_ table: Table) { part(table.markdown) }
  mutating func note(_ text: String) { part(text) }

  private mutating func part(_ text: String) {
    parts.append(text)
    print(text + "\n")
    fflush(nil)
  }

  /// "yes" or "no", and remembers what was missed.
  mutating func judge(_ name: String, _ isMet: Bool) -> String {
    if !isMet { missed.append(name) }
    return isMet ? "yes" : "no"
  }

  /// The tables of a report that another command made, under its own title; empty where it has not been run.
  private static func tables(of path: String, title: String, command: String) -> String {
    guard let file = fopen(path, "re") else { return "" }
    defer { fclose(file) }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { text += chunk[..<count] }
    let rows = String(decoding: text, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).drop { !$0.hasPrefix("|") }
      .prefix { $0.hasPrefix("|") }
    let name = path.split(separator: "/").last ?? ""
    return "## \(title)\n\nMade by `\(command)` in a run of its own; [\(name)](\(name)) has the rest.\n\n\(rows.joined(separator: "\n"))\n\n"
  }

  /// - Parameter folder: where the reports of other commands are
  func text(_ settings: Settings, beside folder: String) -> String {
    let others =
      Report.tables(of: "\(folder)/PEERS.md", title: "Beside other engines", command: "make bench-peers")
      + Report.tables(of: "\(folder)/MODELS.md", title: "Models of boosted trees", command: "make bench-models")
    let verdict = missed.isEmpty ? "All budgets that were measured are met." : "Missed: \(missed.joined(separator: "; "))."
    return """
      # What Gantry costs

      Measured by `make bench` in one run: \(settings.rounds) rounds in which everything takes its turn, medians of them. \
      Ratios hold from machine to machine better than times do.

      Machine: \(Machine.description) Load average \(loadBefore) when this began and \(Machine.load) when it ended; it makes about 2 itself.

      \(verdict)

      \(parts.joined(separator: "\n\n"))

      \(others)## Reading the figures

      A hop with blocks is the plugin's own copy of 64 bytes, the stamp of each row and its bookkeeping. One event a call adds the call \
      and the waking of those who read the row; by default one chain in 16 is timed at every hop, where reading the clock alone takes \
      20 ns. A chain that orders is timed from its order on.

      In the chain `features` and `model` get blocks; `decide` and `broker` stand in a feedback loop and get runs of events, up to the \
      first that causes something. An order costs about 1.2 us of the lane: deliveries to four nodes, two executions, their records \
      in journal and hop log, and a clock read for each delivery; here one event in 23 orders. The plugins' own arithmetic is a third of \
      the lane's time. Wall time is above the lane's own CPU time where source reader, lane and journal are three threads on two CPUs.

      Swaps run while the lane handles all that its source can give, except in the windows of another node's times. A pause is the time \
      from the lane's turning to a swap's step to its going on with events, added up over all steps of the swap. Each swap has its \
      code loaded from the file (verified, copied, opened) before it is asked for, and the old one unloaded after; the time to the flip \
      is without that. The state of 100 MB cannot be handed over on the lane: it comes from a standby that is fed beside the node, or \
      its candidate is warmed by the last 1000 events, and then its first calls find nothing in the caches. In the windows of another \
      node's times there are some 400 swaps a second, each with code to verify, copy, open and unload, on the two CPUs that lane and \
      reader want as well.

      """
  }
}

enum Machine {
  static var description: String {
    let cpu = line(of: "/proc/cpuinfo", starting: "model name")?.split(separator: ":").last.map { $0.drop { $0 == " " } } ?? "unknown CPU"
    var system = utsname()
    uname(&system)
    let release = withUnsafeBytes(of: &system.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    let pages = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    return "\(cpu), \(sysconf(Int32(_SC_NPROCESSORS_ONLN))) CPUs, \(pages >> 30) GB, Linux \(release)."
  }

  /// Of the last minute.
  static var load: String {
    var averages = [0.0]
    return getloadavg(&averages, 1) == 1 ? decimal(averages[0]) : "unknown"
  }

  /// Mappings of this process's address space.
  static var mappings: Int {
    guard let file = fopen("/proc/self/maps", "r") else { return 0 }
    defer { fclose(file) }
    var count = 0
    while true {
      let byte = getc(file)
      if byte == EOF { return count }
      if byte == 10 { count += 1 }
    }
  }

  /// Threads of this process.
  static var threads: Int {
    line(of: "/proc/self/status", starting: "Threads:").flatMap { Int($0.filter(\.isNumber)) } ?? 0
  }

  static func line(of path: String, starting prefix: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 4096)
    while fgets(&buffer, Int32(buffer.count), file) != nil {
      let text = String(decoding: buffer.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if text.hasPrefix(prefix) { return text }
    }
    return nil
  }
}

/// A line that the next one replaces, on a terminal only.
func progress(_ text: String) {
  guard isatty(2) != 0 else { return }
  writeText("\r\u{1B}[K\(text)")
}

/// To standard error, at once.
func writeText(_ text: String) {
  var text = text
  text.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
}
