import CGantry
import GantryBase

/// Reads one `gantry_plugin` into a `PluginDescription`. Trusts nothing: every pointer is read
/// through the kernel, every count, size, text, name and number is checked. All mistakes are
/// collected, so that an author sees them in one run.
struct DescriptorReader {
  let path: String
  let memory: SafeMemory
  /// Address ranges of executable memory; function pointers must lie in one.
  let code: [Range<UInt>]
  private(set) var diagnostics: [Diagnostic] = []
  /// How mistakes name this plugin: its id, or its position while the id is not known.
  private var subject: String

  static let portsMax = 64
  static let parametersMax = 256

  init(path: String, memory: SafeMemory, code: [Range<UInt>], position: Int) {
    self.path = path
    self.memory = memory
    self.code = code
    subject = "library.plugins[\(position)]"
  }

  /// The description and the host's own copy of the table; nil when something is wrong, and
  /// `diagnostics` says what.
  mutating func read(_ plugin: UnsafePointer<gantry_plugin>, offer: Negotiation.Offer) -> (PluginDescription, gantry_plugin)? {
    let known = MemoryLayout<gantry_plugin>.size
    guard let table = structure(UnsafeRawPointer(plugin), field: "", known: known, zero: gantry_plugin()) else { return nil }
    var description = PluginDescription(id: "", version: "", kind: .transform)
    description.id = name(table.id, "id", pattern: .id)
    if !description.id.isEmpty { subject = "plugin \(description.id)" }
    description.version = version(table.version)
    description.summary = line(table.summary, "summary")
    description.builtWith = offer.builtWith
    description.abi = offer.abi
    description.isResident = offer.isResident
    description.path = path
    readLabels(table, &description)
    description.inputs = ports(table.inputs, table.input_count, "inputs")
    description.outputs = ports(table.outputs, table.output_count, "outputs")
    description.parameters = parameters(table.params, table.param_count)
    checkFunctions(table)
    guard diagnostics.isEmpty else { return nil }
    description.extensions = extensions(plugin, table)
    checkAbilities(description, table)
    return diagnostics.isEmpty ? (description, table) : nil
  }

  private mutating func readLabels(_ table: gantry_plugin, _ description: inout PluginDescription) {
    let kinds = PluginDescription.Kind.allCases
    if (1...UInt32(kinds.count)).contains(table.kind) {
      description.kind = kinds[Int(table.kind) - 1]
    } else {
      unknown("kind", table.kind, "1 (source) to \(kinds.count) (transform)")
    }
    switch table.effects {
    case 0: description.effects = .none
    case 1: description.effects = .external
    default: unknown("effects", table.effects, "0 (none) and 1 (external)")
    }
    switch table.determinism {
    case 1: description.determinism = .exact
    case 2: description.determinism = .cpu
    case 3: description.determinism = .none
    default: unknown("determinism", table.determinism, "1 (exact), 2 (cpu) and 3 (none)")
    }
    if table.flags & ~15 != 0 { unknown("flags", table.flags, "the bits 1 (stateless), 2 (single), 4 (timers) and 8 (stops)") }
    description.isStateless = table.flags & 1 != 0
    description.usesTimers = table.flags & 4 != 0
    description.wantsSingle = table.flags & 6 != 0
    description.stopsAtOutput = table.flags & 8 != 0
    let needs = PluginDescription.Need.allCases
    let known: UInt32 = (1 << UInt32(needs.count)) - 1
    if table.needs & ~(known | known << GANTRY_NEEDS_OPTIONAL_SHIFT) != 0 {
      unknown("needs", table.needs, "the bits 1 (network) to 16 (library), and the same 16 higher")
    }
    func marked(_ bits: UInt32) -> [PluginDescription.Need] { needs.enumerated().filter { bits >> UInt32($0.offset) & 1 != 0 }.map(\.element) }
    description.needs = marked(table.needs)
    description.mayNeed = marked(table.needs >> GANTRY_NEEDS_OPTIONAL_SHIFT & ~table.needs)
  }

  private mutating func ports(_ start: UnsafePointer<gantry_port>?, _ count: UInt32, _ field: String) -> [PortDescription] {
    let rows = array(start, count, field, max: Self.portsMax, zero: gantry_port())
    var ports: [PortDescription] = []
    for (index, row) in rows.enumerated() {
      let place = "\(field)[\(index)]"
      let portName = name(row.name, "\(place).name", pattern: .word)
      if !portName.isEmpty, ports.contains(where: { $0.name == portName }) { duplicate("\(place).name", portName) }
      let type = EventType(rawValue: row.type)
      if type == nil { unknown("\(place).type", row.type, "0 (any) to 14 (blob)") }
      if type == .any, field == "outputs" {
        mistake(LoaderCode.unknown, "\(place).type is 0 (any), which is for inputs only", "name the type the port writes")
      }
      if row.flags & ~3 != 0 { unknown("\(place).flags", row.flags, "the bits 1 (optional) and 2 (many)") }
      ports.append(
        PortDescription(
          portName, type ?? .any, isOptional: row.flags & 1 != 0, takesMany: row.flags & 2 != 0,
          help: line(row.help, "\(place).help")))
    }
    return ports
  }
}

// MARK: - Checked reading

extension DescriptorReader {
  enum Pattern {
    /// Plugin ids: lower-case letters, digits, dashes.
    case id
    /// Ports and parameters: also underscores.
    case word

    func accepts(_ text: String) -> Bool {
      let bytes = Array(text.utf8)
      guard (1...64).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
      func isLetterOrDigit(_ byte: UInt8) -> Bool { (97...122).contains(byte) || (48...57).contains(byte) }
      guard (97...122).contains(first), isLetterOrDigit(last) else { return false }
      return bytes.allSatisfy { isLetterOrDigit($0) || $0 == 45 || (self == .word && $0 == 95) }
    }

    var words: String {
      switch self {
      case .id: "1 to 64 lower-case letters, digits and dashes, beginning with a letter"
      case .word: "1 to 64 lower-case letters, digits, dashes and underscores, beginning with a letter"
      }
    }
  }

  mutating func mistake(_ code: String, _ text: String, _ help: String) {
    diagnostics.append(Diagnostic(.error, code, "\(path): \(subject): \(text)", help: [help]))
  }

  mutating func unknown(_ field: String, _ value: UInt32, _ known: String) {
    mistake(LoaderCode.unknown, "\(field) is \(value); this host knows \(known)", "use a value of gantry/plugin.h, ABI \(Negotiation.hostABI)")
  }

  mutating func duplicate(_ field: String, _ name: String) {
    mistake(LoaderCode.duplicate, "\(field) is \(name), which an earlier one has", "give each a name of its own")
  }

  /// Text, or an empty one and a mistake.
  mutating func text(_ string: gantry_string, _ field: String) -> String {
    switch memory.text(string) {
    case .text(let text): return text
    case .tooLong:
      mistake(
        LoaderCode.count, "\(field).length is \(string.length); at most \(SafeMemory.textMax) bytes are taken", "set length to the number of bytes of the text")
    case .unreadable:
      mistake(LoaderCode.pointer, "\(field) does not point to \(string.length) readable bytes", "texts must be constant and valid while the code is loaded")
    case .notUTF8:
      mistake(LoaderCode.utf8, "\(field) is not UTF-8", "write the text as UTF-8")
    }
    return ""
  }

  /// Text of one line.
  mutating func line(_ string: gantry_string, _ field: String) -> String {
    let text = text(string, field)
    if text.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) {
      mistake(LoaderCode.name, "\(field) has line ends or control characters", "write one line of plain text")
    }
    return text
  }

  mutating func name(_ string: gantry_string, _ field: String, pattern: Pattern) -> String {
    let before = diagnostics.count
    let text = text(string, field)
    guard diagnostics.count == before else { return "" }
    if !pattern.accepts(text) {
      mistake(LoaderCode.name, "\(field) is \"\(text.printable)\"", "use \(pattern.words)")
      return ""
    }
    return text
  }

  private mutating func version(_ string: gantry_string) -> String {
    let before = diagnostics.count
    let text = text(string, "version")
    if diagnostics.count == before, Version(text) == nil {
      mistake(LoaderCode.name, "version is \"\(text.printable)\"", "use a semantic version: 1.2.3, or 1.2.3-beta.1")
    }
    return text
  }

  /// One struct, of which min(its size, ours) bytes are taken.
  mutating func structure<Value>(_ address: UnsafeRawPointer?, field: String, known: Int, zero: Value) -> Value? {
    let dotted = field.isEmpty ? "" : field + "."
    guard let head = memory.bytes(address, 4) else {
      mistake(
        LoaderCode.pointer, "\(field.isEmpty ? "the table" : field) does not point to readable memory",
        "point it to a constant table that lives as long as the code")
      return nil
    }
    let size = head.withUnsafeBytes { Int($0.load(as: UInt32.self)) }
    if let problem = Negotiation.sizeProblem(size, known: known) {
      mistake(LoaderCode.size, "\(dotted)size is \(size): \(problem)", Negotiation.sizeHelp(field))
      return nil
    }
    guard let value = memory.value(address, count: size, zero: zero) else {
      mistake(LoaderCode.pointer, "\(dotted)size is \(size), but fewer bytes can be read", Negotiation.sizeHelp(field))
      return nil
    }
    return value
  }

  /// An array of structs that begin with their size; all must have the first one's.
  mutating func array<Row>(_ start: UnsafePointer<Row>?, _ count: UInt32, _ field: String, max: Int, zero: Row) -> [Row] {
    guard count > 0 else { return [] }
    guard count <= UInt32(max) else {
      mistake(LoaderCode.count, "\(field) has \(count) entries; this host takes at most \(max)", "set the count to the number of entries")
      return []
    }
    guard let start else {
      mistake(LoaderCode.pointer, "\(field) is null, but its count is \(count)", "point it to the entries, or set the count to 0")
      return []
    }
    let known = MemoryLayout<Row>.size
    var rows: [Row] = []
    for index in 0..<Int(count) {
      let address = UnsafeRawPointer(start) + index * known
      guard let head = memory.bytes(address, 4) else {
        mistake(LoaderCode.pointer, "\(field)[\(index)] does not point to readable memory", "set the count to the number of entries")
        return rows
      }
      let size = head.withUnsafeBytes { Int($0.load(as: UInt32.self)) }
      guard size == known else {
        mistake(LoaderCode.size, "\(field)[\(index)].size is \(size); in ABI \(Negotiation.hostABI) it is \(known)", Negotiation.sizeHelp(field))
        return rows
      }
      guard let row = memory.value(address, count: known, zero: zero) else {
        mistake(LoaderCode.pointer, "\(field)[\(index)] does not point to readable memory", "set the count to the number of entries")
        return rows
      }
      rows.append(row)
    }
    return rows
  }

  /// Whether a function pointer, taken as a number, points to executable memory.
  func isCode(_ pointer: UInt) -> Bool { code.contains { $0.contains(pointer) } }
}

extension String {
  /// Without control characters, at most 64 characters: safe to print whatever a plugin wrote.
  var printable: String {
    let clean = unicodeScalars.prefix(64).map { $0.value < 32 || $0.value == 127 ? "?" : String($0) }.joined()
    return unicodeScalars.count > 64 ? clean + "..." : clean
  }
}
