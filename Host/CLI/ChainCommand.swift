import ArgumentParser
import GantryBase

#if canImport(Glibc)
  import Glibc
#endif

/// `gantry chain`: handed to `gantry-chain` beside this executable, which has the database.
struct ChainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chain", abstract: "List chains, or show one from tick to fill.",
    discussion: """
      EXAMPLES
        gantry chain list
        gantry chain list --slowest 10
        gantry chain show 0192b3c4-....
      """)

  @Argument(parsing: .captureForPassthrough, help: "list or show, and their options.")
  var arguments: [String] = []

  mutating func run() throws {
    guard let folder = GraphSession.executableFolder() else { throw GantryError("cli.no-self", "cannot find this executable", exit: .bug) }
    let path = folder + "/gantry-chain"
    let words = ([path] + arguments).map { strdup($0) } + [nil]
    execv(path, words)
    let reason = String(cString: strerror(errno))
    throw GantryError(
      "cli.no-chain-tool", "cannot run \(path): \(reason)",
      help: ["build it with `swift build -c release --product gantry-chain`, or `make build`"], exit: .failed)
  }
}
