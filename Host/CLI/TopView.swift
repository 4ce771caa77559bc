import GantryAdmin
import GantryBase
import GantryRuntime

/// The picture of `top`: a value that takes statuses and keys and gives lines.
struct TopView {
  enum Order: String { case file, rate, p99 }

  let paint: Paint
  private var status: HostStatus?
  private var order = Order.file
  private var scroll = 0
  private var isHeld = false
  /// Events a second, one for each picture, the newest last.
  private var rates: [Double] = []

  init(paint: Paint) { self.paint = paint }

  mutating func take(_ status: HostStatus) {
    guard !isHeld else { return }
    if let old = self.status {
      let seconds = status.run.secondsRunning - old.run.secondsRunning
      if seconds > 0, status.run.events >= old.run.events { rates.append(Double(status.run.events - old.run.events) / seconds) }
      if rates.count > 200 { rates.removeFirst() }
    }
    self.status = status
  }

  mutating func press(_ key: LiveScreen.Key) {
    switch key {
    case .up: scroll = max(0, scroll - 1)
    case .down: scroll += 1
    case .sort: order = order == .file ? .rate : order == .rate ? .p99 : .file
    case .hold: isHeld.toggle()
    case .quit, .other: break
    }
  }

  /// As many lines as fit, each as wide as fits.
  mutating func lines(width: Int, height: Int) -> [String] {
    guard var status else { return ["", "  asking the host"] }
    switch order {
    case .file: break
    case .rate: status.run.nodes.sort { ($0.rate ?? 0) > ($1.rate ?? 0) }
    case .p99: status.run.nodes.sort { $0.p99Ns > $1.p99Ns }
    }
    let header = [StatusText.header(status, paint), graph(width), ""]
    let table = StatusText.table(status, paint)
    let footer = [""] + StatusText.footer(status, paint)
    let keys = paint("  q quit  s sort: \(order.rawValue)  \u{2191}\u{2193} scroll  space \(isHeld ? "go on" : "hold")", .grey)
    // The gate and the swaps are never scrolled away; nodes are.
    let room = max(1, height - header.count - footer.count - 2)
    let rows = table.count - 1
    scroll = min(scroll, max(0, rows - room))
    var shown = Array(table.dropFirst().dropFirst(scroll).prefix(room))
    if scroll + shown.count < rows, !shown.isEmpty { shown[shown.count - 1] = paint("  \(rows - scroll - shown.count + 1) more below", .grey) }
    let all = header + [table[0]] + shown + footer
    let last = all.prefix(max(0, height - 1))
    let blank = Array(repeating: "", count: max(0, height - 1 - last.count))
    return (last + blank + [keys]).map { Self.cut($0, width) }
  }

  /// The rate of the last pictures as a row of bars.
  private func graph(_ width: Int) -> String {
    let room = max(0, min(60, width - 4))
    let shown = rates.suffix(room)
    guard let top = shown.max(), top > 0 else { return "" }
    let bars = Array("\u{2581}\u{2582}\u{2583}\u{2584}\u{2585}\u{2586}\u{2587}\u{2588}")
    return "  " + paint(String(shown.map { bars[min(7, Int($0 / top * 7.99))] }), .cyan)
  }

  /// At most `width` columns; colours do not count and are ended.
  static func cut(_ line: String, _ width: Int) -> String {
    var result = ""
    var column = 0
    var inEscape = false
    var hasColour = false
    for character in line {
      if inEscape {
        result.append(character)
        if character == "m" { inEscape = false }
      } else if character == "\u{1B}" {
        inEscape = true
        hasColour = true
        result.append(character)
      } else if column < width {
        result.append(character)
        column += 1
      }
    }
    return hasColour && column == width ? result + "\u{1B}[0m" : result
  }
}
