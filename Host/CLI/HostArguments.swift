import ArgumentParser
import GantryAdmin
import GantryBase

/// Which running host a verb means, in every live verb.
struct HostArguments: ParsableArguments {
  @Option(name: .customLong("graph"), help: ArgumentHelp("The host that runs this graph; needed when several hosts run.", valueName: "name"))
  var graphName: String?
  @Option(help: ArgumentHelp("The host that listens at this socket.", valueName: "path"), completion: .file(extensions: ["sock"]))
  var control: String?
  @OptionGroup var output: OutputOptions

  var terminal: Terminal { output.terminal }

  func connect() throws(GantryError) -> ControlClient {
    try ControlClient(path: ControlSocket.find(path: control, graph: graphName))
  }

  /// Asks one thing of the host. With `--json` every line is printed as it comes.
  ///
  /// - Parameters:
  ///   - timeoutNs: nil for what may take as long as it takes
  ///   - progress: told of each line on the way to the answer
  func ask<Value: Decodable>(
    _ verb: ControlVerb, _ arguments: [String: JSONValue] = [:], timeoutNs: Int64? = 10_000_000_000, for type: Value.Type,
    progress: (ControlClient.Answer) throws -> Void = { _ in }
  ) throws -> Value {
    let client = try connect()
    try client.send(verb, arguments)
    while true {
      let answer = try client.receive(timeoutNs: timeoutNs)
      if output.json { terminal.out(answer.text) }
      if !answer.isProgress { return try answer.decode(type) }
      if !output.json { try progress(answer) }
    }
  }
}

/// An answer that only says that it was done.
struct Anything: Decodable {
  init(from decoder: any Decoder) throws {}
}

extension JSONValue {
  /// Leaves out what was not given.
  static func arguments(_ values: [String: JSONValue?]) -> [String: JSONValue] { values.compactMapValues { $0 } }
  static func ifGiven(_ text: String?) -> JSONValue? { text.map { .text($0) } }
  static func ifGiven(_ number: Int?) -> JSONValue? { number.map { .number(Double($0)) } }
  static func ifAny(_ texts: [String]) -> JSONValue? { texts.isEmpty ? nil : .list(texts.map { .text($0) }) }
}
