import ArgumentParser
import GantryAdmin
import GantryBase

/// `gantry top`: a running host, live.
struct TopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top", abstract: "Watch the running graph, live.",
    discussion: """
      Keys: q quits, s sorts by rate, p99 or file order, arrows or j and k scroll, space holds the
      picture. Works in tmux and over ssh. Where the output is no terminal, it prints one status.

      EXAMPLES
        gantry top
        gantry top --interval 0.2
      """)

  @Option(help: ArgumentHelp("Seconds between two pictures.", valueName: "seconds"))
  var interval: Double = 1
  @OptionGroup var host: HostArguments

  func validate() throws {
    guard (0.05...3600).contains(interval) else { throw ValidationError("--interval takes 0.05 to 3600 seconds.") }
  }

  mutating func run() throws {
    let terminal = host.terminal
    guard !host.output.json, terminal.outIsTerminal, LiveScreen.isPossible else {
      let status = try host.ask(.status, for: HostStatus.self)
      if !host.output.json { terminal.out(StatusText.render(status, paint: terminal.paint)) }
      return
    }
    let client = try host.connect()
    var view = TopView(paint: terminal.paint)
    let screen = LiveScreen()
    defer { screen.restore() }
    do throws(GantryError) {
      try watch(client, &view, screen)
    } catch {
      guard let code = error.diagnostics.first?.code, ["control.closed", "control.ending"].contains(code) else { throw error }
      screen.restore()
      terminal.out("the run has ended")
    }
  }

  private func watch(_ client: ControlClient, _ view: inout TopView, _ screen: LiveScreen) throws(GantryError) {
    try client.send(.status)
    var isAsked = true
    var nextNs = LiveScreen.nowNs + Int64(interval * 1e9)
    while true {
      let event = screen.wait(for: client.readDescriptor, untilNs: isAsked ? LiveScreen.nowNs + 1_000_000_000 : nextNs)
      switch event {
      case .ended: return
      case .key(let key):
        if key == .quit { return }
        view.press(key)
      case .readable:
        while let answer = try client.answerIfAny() {
          isAsked = false
          view.take(try answer.decode(HostStatus.self))
        }
      case .resized, .time: break
      }
      screen.draw(view.lines(width: screen.width, height: screen.height))
      if !isAsked, LiveScreen.nowNs >= nextNs {
        try client.send(.status)
        isAsked = true
        nextNs = max(nextNs + Int64(interval * 1e9), LiveScreen.nowNs)
      }
    }
  }
}
