import GantryBase
import Glibc

// Measures what the host costs; see Tests/Benchmarks/RESULTS.md for what it said last.

func benchmark() throws {
  let settings = try Settings(arguments: Array(CommandLine.arguments.dropFirst()))
  let host = BenchmarkHost(settings)
  switch settings.command {
  case .tape: return try writeTape(host, settings.output ?? "")
  case .chainOnce: return try ChainOnce.run(host)
  case nil: break
  }
  let baselines = try Baselines(folder: settings.bench)
  var report = Report()
  print("Machine: \(Machine.description)\n")
  let tape = try Tape.make(host, path: "\(settings.bench)/tape.bin")
  if settings.wants("hops") { try HopBenchmark.run(host, baselines, tape, into: &report) }
  if settings.wants("chain") { try ChainBenchmark.run(host, baselines, tape, into: &report) }
  if settings.wants("journal") { try JournalBenchmark.run(host, into: &report) }
  if settings.wants("swaps") { try SwapBenchmark(host, tape).run(into: &report) }
  if settings.wants("cells") { try CellBenchmark.run(host, tape, into: &report) }
  if settings.wants("orders") { try OrderBenchmark.run(host, into: &report) }
  if settings.wants("process") { try ProcessBenchmark.run(settings, into: &report) }
  if let output = settings.output {
    guard let file = fopen(output, "w") else { throw BenchmarkError("cannot write \(output)") }
    let folder = output.split(separator: "/").dropLast().joined(separator: "/")
    fputs(report.text(settings, beside: (output.hasPrefix("/") ? "/" : "") + (folder.isEmpty ? "." : folder)), file)
    fclose(file)
    print("wrote \(output)")
  }
}

func writeTape(_ host: BenchmarkHost, _ path: String) throws {
  let tape = try Tape.make(host, path: path)
  print("wrote \(path): \(tape.count) quotes of \(MemoryLayout<Tape.Quote>.stride) bytes")
}

func complain(_ text: String) { writeText(text + "\n") }

do {
  try benchmark()
} catch let error as GantryError {
  for diagnostic in error.diagnostics { complain(diagnostic.rendered()) }
  exit(error.exitCode.rawValue)
} catch {
  complain("error: \(error)")
  exit(1)
}
