import Glibc

/// The C side (`Tests/Benchmarks/Baselines`), opened with dlopen like any library.
struct Baselines {
  /// `struct outcome` of chain.h.
  struct Outcome: Equatable {
    var events: UInt64 = 0
    var flips: UInt64 = 0
    var orders: UInt64 = 0
    var fills: UInt64 = 0
    /// 10^-2 of the quote currency.
    var profit: Int64 = 0
    var position: Int64 = 0
  }

  typealias RunFused = @convention(c) (UnsafeRawPointer, UInt64, UnsafeMutableRawPointer) -> Void
  typealias RunHops = @convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer, UInt64, UnsafeMutableRawPointer) -> Void
  typealias RunCalls = @convention(c) (UnsafeMutableRawPointer, UInt64) -> UInt64
  typealias RunLocalCalls = @convention(c) (UInt64) -> UInt64

  private let runFused: RunFused
  private let runHops: RunHops
  private let runCalls: RunCalls
  private let runLocalCalls: RunLocalCalls
  private let hops: UnsafeMutableRawPointer
  private let pass: UnsafeMutableRawPointer

  init(folder: String) throws(BenchmarkError) {
    func open(_ name: String) throws(BenchmarkError) -> UnsafeMutableRawPointer {
      guard let library = dlopen("\(folder)/\(name)", RTLD_NOW | RTLD_LOCAL) else {
        throw BenchmarkError("\(String(cString: dlerror())); run `make bench`, which builds it")
      }
      return library
    }
    func symbol(_ library: UnsafeMutableRawPointer, _ name: String) throws(BenchmarkError) -> UnsafeMutableRawPointer {
      guard let symbol = dlsym(library, name) else { throw BenchmarkError("baselines.so has no \(name)") }
      return symbol
    }
    let library = try open("baselines.so")
    runFused = unsafeBitCast(try symbol(library, "run_fused"), to: RunFused.self)
    runHops = unsafeBitCast(try symbol(library, "run_hops"), to: RunHops.self)
    runCalls = unsafeBitCast(try symbol(library, "run_calls"), to: RunCalls.self)
    runLocalCalls = unsafeBitCast(try symbol(library, "run_local_calls"), to: RunLocalCalls.self)
    pass = try symbol(try open("pass.so"), "pass")
    typealias OpenHops = @convention(c) (UnsafePointer<CChar>) -> UnsafeMutableRawPointer?
    let openHops = unsafeBitCast(try symbol(library, "open_hops"), to: OpenHops.self)
    guard let hops = openHops(folder) else { throw BenchmarkError("the six hops cannot be opened") }
    self.hops = hops
  }

  func fused(_ tape: Tape) -> Outcome {
    var outcome = Outcome()
    tape.rows.withUnsafeBytes { runFused($0.baseAddress!, UInt64(tape.count), &outcome) }
    return outcome
  }

  func sixHops(_ tape: Tape) -> Outcome {
    var outcome = Outcome()
    tape.rows.withUnsafeBytes { runHops(hops, $0.baseAddress!, UInt64(tape.count), &outcome) }
    return outcome
  }

  /// Nanoseconds a call, through a plain function pointer and through one from dlsym.
  func localCallNs(_ count: Int) -> Double { timed { _ = runLocalCalls(UInt64(count)) } / Double(count) }
  func openedCallNs(_ count: Int) -> Double { timed { _ = runCalls(pass, UInt64(count)) } / Double(count) }
}
