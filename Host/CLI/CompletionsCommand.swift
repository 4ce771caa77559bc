import ArgumentParser
import GantryBase

/// `gantry completions`: the script that lets a shell complete verbs, options and names.
struct CompletionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "completions", abstract: "Print the completion script of a shell.",
    discussion: """
      Names of nodes and ports are asked of the running host.

      EXAMPLES
        gantry completions bash > /etc/bash_completion.d/gantry
        gantry completions zsh > "${fpath[1]}/_gantry"
        gantry completions fish > ~/.config/fish/completions/gantry.fish
      """)

  @Argument(help: ArgumentHelp("bash, zsh or fish.", valueName: "shell"), completion: .list(["bash", "zsh", "fish"]))
  var shell: String
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard CompletionShell(rawValue: shell) != nil else { throw ValidationError("completions knows bash, zsh and fish, not '\(shell)'.") }
  }

  mutating func run() throws {
    let script = GantryCommand.completionScript(for: CompletionShell(rawValue: shell)!)
    if output.json { try output.terminal.object(["shell": shell, "script": script]) } else { output.terminal.out(script) }
  }
}
