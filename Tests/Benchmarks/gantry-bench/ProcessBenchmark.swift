import Glibc

/// What is measured from outside: starting, memory, allocations of the lane's thread.
struct ProcessBenchmark {
  static func run(_ settings: Settings, into report: inout Report) throws {
    let gantry = "\(settings.build)/gantry"
    let events = settings.events
    var table = Table(title: "The process", columns: ["what", "measured", "budget", "met"])

    var start = Series()
    for round in 0...settings.rounds {
      let ns = try timed {
        try Child(gantry, ["run", "manifests/quickstart.yaml", "--set", "ticks.count=1", "--run-folder", "\(settings.bench)/runs/start", "--json"])
          .succeed()
      }
      if round > 0 { start.values.append(ns / 1e6) }
    }
    table.add([
      "quickstart graph with one event: process start to process end", "\(decimal(start.median)) ms", "under 150 ms",
      report.judge("start under 150 ms", start.median < 150),
    ])

    let idle = try idleBytes(gantry, settings)
    table.add([
      "resident, quickstart graph waiting for its next event", "\(decimal(idle / 1e6)) MB", "under 40 MB",
      report.judge("idle RSS under 40 MB", idle < 40e6),
    ])

    let graph = "\(settings.bench)/chain.yaml"
    try write(graph, chainFile(settings))
    let folder = "\(settings.bench)/runs/chain"
    let run = ["run", graph, "--run-folder", folder, "--json"]
    let resident = try residentBytes(gantry, run, settings)
    table.add(["resident at the end of the chain with \(events) quotes preloaded (24 bytes each)", "\(decimal(resident / 1e6)) MB", "", ""])

    let few = try laneAllocations(gantry, run + ["--set", "ticks.limit=\(events / 5)"], settings)
    let all = try laneAllocations(gantry, run, settings)
    table.add([
      "allocations of the lane's thread from event \(events / 5) to \(events)", String(all - few), "0",
      report.judge("no allocations on the lane", all == few),
    ])
    report.add(table)
  }

  /// What a run says of itself at its end. (The `ru_maxrss` of a child begins with what its parent had.)
  private static func residentBytes(_ gantry: String, _ arguments: [String], _ settings: Settings) throws -> Double {
    let path = "\(settings.bench)/summary.json"
    try Child(gantry, arguments, output: path).succeed()
    let key = "\"resident_bytes\":"
    guard let file = fopen(path, "r") else { throw BenchmarkError("the run printed no summary") }
    defer { fclose(file) }
    var text = ""
    while let line = readLine(file) { text += line }
    guard let found = text.firstRange(of: key), let bytes = Double(text[found.upperBound...].prefix { $0.isNumber }) else {
      throw BenchmarkError("the run's summary says nothing of \(key)")
    }
    return bytes
  }

  private static func chainFile(_ settings: Settings) -> String {
    Graphs.preloadedChain(settings)
      .replacing(settings.data, with: absolute(settings.data))
      .replacing("manifests/models", with: absolute("\(settings.root)/manifests/models"))
  }

  /// Runs the quickstart in real time until its memory has stopped growing, then ends it by SIGINT.
  private static func idleBytes(_ gantry: String, _ settings: Settings) throws -> Double {
    let child = try Child(
      gantry, ["run", "manifests/quickstart.yaml", "--set", "ticks.speed=real", "--run-folder", "\(settings.bench)/runs/idle", "--json"])
    var highest = 0.0
    for _ in 0..<20 {
      usleep(100_000)
      guard let line = Machine.line(of: "/proc/\(child.process)/status", starting: "VmRSS") else { break }
      highest = max(highest, (Double(line.filter(\.isNumber)) ?? 0) * 1024)
    }
    kill(child.process, SIGINT)
    try child.succeed()
    return highest
  }

  private static func laneAllocations(_ gantry: String, _ arguments: [String], _ settings: Settings) throws -> Int {
    let counts = "\(settings.bench)/allocations.txt"
    try Child(
      gantry, arguments, environment: ["LD_PRELOAD=\(absolute("\(settings.bench)/liballocations.so"))", "ALLOCATIONS_FILE=\(counts)"]
    ).succeed()
    guard let file = fopen(counts, "r") else { throw BenchmarkError("the allocation counter wrote nothing") }
    defer { fclose(file) }
    while let line = readLine(file) {
      let words = line.split(separator: " ")
      if words.count == 4, words[3].hasPrefix("lane:"), let count = Int(words[1]) { return count }
    }
    throw BenchmarkError("no thread named lane: among those that were counted")
  }
}

/// A child process whose standard output goes to a file or is thrown away.
struct Child {
  let process: pid_t
  private let name: String

  init(
    _ program: String, _ arguments: [String], environment: [String] = [], output: String = "/dev/null"
  ) throws(BenchmarkError) {
    // A journal is never overwritten: what an earlier round left is removed.
    if let option = arguments.firstIndex(of: "--run-folder"), option + 1 < arguments.count { removeFolder(arguments[option + 1]) }
    name = ([program] + arguments).joined(separator: " ")
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
    var inherited: [String] = []
    var entry = environ
    while let text = entry.pointee {
      inherited.append(String(cString: text))
      entry += 1
    }
    var variables: [UnsafeMutablePointer<CChar>?] = (inherited + environment).map { strdup($0) } + [nil]
    defer { for text in words + variables { free(text) } }
    var process = pid_t()
    let error = posix_spawn(&process, program, &actions, nil, &words, &variables)
    guard error == 0 else { throw BenchmarkError("\(program) cannot be started: \(String(cString: strerror(error)))") }
    self.process = process
  }

  /// Waits for a good end.
  func succeed() throws(BenchmarkError) {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    guard status == 0 else { throw BenchmarkError("`\(name)` ended with wait status \(status)") }
  }
}

/// The next line, without its end; nil at the end of the file.
private func readLine(_ file: UnsafeMutablePointer<FILE>) -> String? {
  var line: UnsafeMutablePointer<CChar>?
  var room = 0
  defer { free(line) }
  guard getline(&line, &room, file) >= 0, let line else { return nil }
  return String(String(cString: line).prefix { $0 != "\n" })
}

private func absolute(_ path: String) -> String {
  guard let resolved = realpath(path, nil) else { return path }
  defer { free(resolved) }
  return String(cString: resolved)
}

private func write(_ path: String, _ text: String) throws(BenchmarkError) {
  guard let file = fopen(path, "w") else { throw BenchmarkError("cannot write \(path)") }
  fputs(text, file)
  fclose(file)
}
