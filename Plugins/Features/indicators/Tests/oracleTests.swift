import CGantry
import Foundation
import PluginHarness
import Testing

/// The columns beside TA-Lib's own functions, on a random walk and on real quotes.
///
/// Needs a Python with numpy and TA-Lib (`pip install TA-Lib numpy`): `python3`, or the one named
/// by GANTRY_PYTHON. The real quotes are looked for in GANTRY_DATA or ../shared/data.
@Suite struct OracleTests {
  /// The column, and what must come out for it. TA-Lib's STDDEV takes the sum of squares as it is, so
  /// on prices near 1.3 moving by 1e-5 it has some 7 digits itself: there numpy's two passes judge.
  static let columns = [
    "ema_10": "talib.EMA(c, 10)", "ema_20": "talib.EMA(c, 20)", "sma_50": "talib.SMA(c, 50)", "rsi_14": "talib.RSI(c, 14)",
    "atr_14": "talib.ATR(h, l, c, 14)", "macd_12_26_9": "talib.MACD(c, 12, 26, 9)[0]", "macd_signal_12_26_9": "talib.MACD(c, 12, 26, 9)[1]",
    "macd_hist_12_26_9": "talib.MACD(c, 12, 26, 9)[2]", "bollinger_upper_20_2": "talib.BBANDS(c, 20, 2, 2)[0]",
    "bollinger_middle_20_2": "talib.BBANDS(c, 20, 2, 2)[1]", "bollinger_lower_20_2": "talib.BBANDS(c, 20, 2, 2)[2]",
    "return_1": "talib.ROCP(c, 1)", "return_10": "talib.ROCP(c, 10)",
    "logreturn_5": "np.concatenate([np.full(5, np.nan), np.log1p((c[5:] - c[:-5]) / c[:-5])])",
    "stdev_20": "talib.STDDEV(c, 20) if walk else rolling(c, 20, np.std)", "stdev_200": "rolling(c, 200, np.std)",
    "zscore_20": "(c - rolling(c, 20, np.mean)) / rolling(c, 20, np.std)",
  ]

  static let names = columns.keys.sorted()

  @Test func `columns of a random walk equal TA-Lib's`() throws { try compare(data: nil) }

  @Test func `columns of real quotes equal TA-Lib's`() throws {
    let file = #filePath
    let root = URL(filePath: file).deletingLastPathComponent().appending(path: "../../../..").standardizedFileURL.path
    let data = ProcessInfo.processInfo.environment["GANTRY_DATA"] ?? root + "/../shared/data"
    let folder = data + "/lean/forex/oanda/tick/eurusd"
    guard let zip = try? FileManager.default.contentsOfDirectory(atPath: folder).filter({ $0.hasSuffix(".zip") }).sorted().first else {
      return print("skipped: no quotes in \(folder)")
    }
    try compare(data: folder + "/" + zip)
  }

  private func compare(data: String?) throws {
    let python = ProcessInfo.processInfo.environment["GANTRY_PYTHON"] ?? "python3"
    guard run(python, ["-c", "import talib, numpy"]).status == 0 else {
      return print("skipped: \(python) has no talib and numpy; pip install TA-Lib numpy, or set GANTRY_PYTHON")
    }
    let seed = UInt32.random(in: 0...UInt32.max)
    let folder = FileManager.default.temporaryDirectory.appending(path: "gantry-indicators-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let script = folder.appending(path: "oracle.py")
    let answer = folder.appending(path: "answer")
    try Self.script.write(to: script, atomically: true, encoding: .utf8)
    let result = run(python, [script.path, answer.path, "\(seed)", data ?? ""] + Self.names.map { Self.columns[$0]! })
    try #require(result.status == 0, "\(result.text)")
    let series = try Data(contentsOf: answer).withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
    let count = series.count / (3 + Self.names.count)
    #expect(count > 3000)

    let bars = (0..<count).map { index in
      gantry_bar(
        header: gantry_header(eventNs: 0), start_ns: 0, open: series[index], high: series[count + index], low: series[2 * count + index],
        close: series[index], volume: 1, ticks: 1, spread: 0)
    }
    let rows = try indicators(Self.names, bars: true, ["ema_seed": "sma"]).send(bars).map(\.columns)
    for (column, name) in Self.names.enumerated() {
      let expected = Array(series[((3 + column) * count)..<((4 + column) * count)])
      let difference = Self.worst(
        rows.map { $0[column] }, expected, floor: name.hasPrefix("macd") ? 1e-6 * abs(series[0]) : name.hasPrefix("zscore") ? 0.1 : .leastNonzeroMagnitude)
      print("  \(name): \(difference) of the value at most, \(data == nil ? "random walk, seed \(seed)" : "real quotes")")
      #expect(difference < 1e-9, "\(name), seed \(seed)")
    }
  }

  /// The largest relative difference; infinite where the oracle knows a value and
  /// this plugin does not. Values below `floor` are measured against it: MACD is a difference
  /// of prices, and a z-score near 0 one of a price and a mean.
  private static func worst(_ values: [Double], _ expected: [Double], floor: Double) -> Double {
    var worst = 0.0
    for (value, oracle) in zip(values, expected) where !oracle.isNaN {
      if value.isNaN { return .infinity }
      if value != oracle { worst = max(worst, abs(value - oracle) / max(abs(oracle), floor)) }
    }
    return worst
  }

  private static let script = """
    import sys, io, zipfile
    import numpy as np, talib
    answer, seed, data, expressions = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    walk = data == ''
    if walk:
        r = np.random.default_rng(seed)
        c = 100 + np.cumsum(r.normal(0, 0.3, 5000))
    else:
        archive = zipfile.ZipFile(data)
        text = archive.read(archive.namelist()[0]).decode()
        c = np.array([(float(f[1]) + float(f[2])) * 0.5 for f in (line.split(',') for line in text.splitlines()[:5000])])
        r = np.random.default_rng(seed)
    h = c + r.uniform(0, 0.003, len(c)) * c
    l = c - r.uniform(0, 0.003, len(c)) * c
    def rolling(x, n, f):
        windows = np.lib.stride_tricks.sliding_window_view(x, n)
        return np.concatenate([np.full(n - 1, np.nan), f(windows - windows[:, :1], axis=1) + (windows[:, 0] if f is np.mean else 0)])
    with np.errstate(all='ignore'):
        np.concatenate([c, h, l] + [np.asarray(eval(e), dtype=float) for e in expressions]).tofile(answer)
    """

  private func run(_ command: String, _ arguments: [String]) -> (status: Int32, text: String) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [command] + arguments
    process.standardOutput = pipe
    process.standardError = pipe
    do { try process.run() } catch { return (127, "\(error)") }
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }
}
