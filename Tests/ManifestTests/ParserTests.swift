import GantryBase
import GantryManifest
import Testing

/// Parses and fails on any diagnostic.
func tree(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> ManifestNode {
  let (tree, diagnostics) = ManifestParser.parse(bytes: Array(text.utf8), file: "g.yaml")
  #expect(diagnostics == [], sourceLocation: sourceLocation)
  return try #require(tree, sourceLocation: sourceLocation)
}

func codes(_ text: String) -> [String] { ManifestParser.parse(bytes: Array(text.utf8), file: "g.yaml").1.map(\.code) }

@Suite struct ParserTests {
  @Test func `every key and scalar knows its place`() throws {
    let root = try tree("graph: größe\nnodes:\n  a: { plugin: x, list: [1, 'two'] }\n")
    #expect(root["graph"]?.place == Place(file: "g.yaml", line: 1, column: 8, length: 5, excerpt: "graph: größe"))
    let list = try #require(root["nodes"]?["a"]?["list"])
    #expect(list.sequence?.map(\.text) == ["1", "two"])
    #expect(list.sequence?[1].place.column == 29)
    #expect(list.sequence?[1].place.length == 5)
    #expect(root["nodes"]?.entries?[0].key.place == Place(file: "g.yaml", line: 3, column: 3, length: 1, excerpt: "  a: { plugin: x, list: [1, 'two'] }"))
  }

  @Test func `columns count Unicode scalars, whatever they take in bytes`() throws {
    let place = try #require(tree("größe: { 🚢: ü, b: c }\n")["größe"]?["b"]?.place)
    #expect((place.line, place.column) == (1, 19))
  }

  @Test(arguments: ["\n", "\r\n", "\r"]) func `lines end as editors end them`(end: String) throws {
    let root = try tree(["a: 1", "b:", "  c: 2", ""].joined(separator: end))
    #expect(root["b"]?["c"]?.place == Place(file: "g.yaml", line: 3, column: 6, length: 1, excerpt: "  c: 2"))
  }

  @Test func `breaks that only YAML counts do not move lines`() throws {
    let root = try tree("a: 'x\u{85}y\u{2028}z'\nb: 1\n")
    #expect(root["b"]?.place.line == 2)
    #expect(root["a"]?.place.excerpt == "a: 'x y z'")
  }

  @Test func `a byte order mark moves nothing`() throws {
    let (root, diagnostics) = ManifestParser.parse(bytes: [0xEF, 0xBB, 0xBF] + Array("a: 1\n".utf8), file: "g.yaml")
    #expect(diagnostics == [])
    #expect(root?["a"]?.place == Place(file: "g.yaml", line: 1, column: 4, length: 1, excerpt: "a: 1"))
    #expect(root?.entries?[0].key.place.column == 1)
  }

  @Test func `a value on several lines is placed by its first`() throws {
    let root = try tree("a: |\n  one\n  two\nb: { c: 1,\n  d: 2 }\n")
    #expect(root["a"]?.text == "one\ntwo\n")
    #expect(root["a"]?.scalar?.style == .block)
    #expect(root["b"]?.place == Place(file: "g.yaml", line: 4, column: 4, length: 7, excerpt: "b: { c: 1,"))
  }

  @Test func `scalars stay text`() throws {
    let root = try tree("a: 0.10\nb: no\nc: '5'\nd: 1_000\ne: true\nf:\ng: ~\nh: 'null'\ni: 1.0\n")
    #expect(root["a"]?.text == "0.10")
    #expect(root["b"]?.bool == nil)
    #expect(root["d"]?.integer == 1000)
    #expect(root["e"]?.bool == true)
    #expect(root["f"]?.isNull == true)
    #expect(root["g"]?.isNull == true)
    #expect(root["h"]?.text == "null")
    #expect(root["i"]?.integer == nil)
    #expect(root["i"]?.shape == "a text")
  }

  @Test func `aliases repeat what their anchor names`() throws {
    let root = try tree("a: &x { b: [1, 2] }\nc: *x\nd: [*x, *x]\n")
    #expect(root["c"]?["b"]?.sequence?.map(\.text) == ["1", "2"])
    #expect(root["d"]?.sequence?.count == 2)
    #expect(root.count == 1 + 4 + 4 + 9)
  }

  @Test func `what can be read beside a mistake is read`() {
    let (root, diagnostics) = ManifestParser.parse(bytes: Array("a: 1\na: 2\nb: *none\nc: !x 3\n<<: 4\n[d]: 5\ne: 6\n---\nf: 7\n".utf8), file: "g.yaml")
    #expect(
      diagnostics.map(\.code) == [
        "manifest.duplicate-key", "manifest.unknown-anchor", "manifest.tag", "manifest.merge-key", "manifest.bad-key", "manifest.many-documents",
      ])
    #expect(root?.entries?.map(\.key.text) == ["a", "c", "e"])
    #expect(root?["a"]?.text == "1")
  }

  @Test func `limits hold to the last value`() {
    func nested(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
    #expect(codes(nested(ManifestLimits.depth)) == [])
    #expect(codes(nested(ManifestLimits.depth + 1)) == ["manifest.too-deep"])
    #expect(codes("a: &x \(nested(40))\nb: \(String(repeating: "[", count: 30))*x\n") == ["manifest.too-deep"])
    func wide(_ count: Int) -> String { "[" + String(repeating: "a,", count: count) + "]" }
    #expect(codes(wide(ManifestLimits.nodes - 1)) == [])
    #expect(codes(wide(ManifestLimits.nodes)) == ["manifest.too-many-nodes"])
    #expect(codes(String(repeating: " ", count: ManifestLimits.bytes - 1) + "a") == [])
    #expect(codes(String(repeating: " ", count: ManifestLimits.bytes) + "a") == ["manifest.too-large"])
  }

  @Test(arguments: [
    ("a: [1, 2\nb: 3\n", "the list begun in line 1 is not closed", 2), ("a: { b: 1\nc: 2\n", "the mapping begun in line 1 is not closed", 2),
    ("a: \"b\n", "the quote opened in column 4 is not closed", 1), ("a: b: c\n", "a colon is not expected here", 1),
    ("a:\n b: 1\n  c: 2\n", "a colon is not expected here", 3),
    ("a: @b\n", "a value cannot begin with this character", 1), ("a: \"\\q\"\n", "this escape is not known in double quotes", 1),
    ("a: 1\nb\n", "a colon is missing after a key", 2), ("a: - b\n", "a list cannot begin here", 1),
    ("a: &\n", "a name of letters and digits should follow & or *", 1),
    ("a:\n  b: 1\n c: 2\n", "this does not line up with the keys above it", 3),
  ])
  func `what is no YAML is explained where it is`(text: String, explanation: String, line: Int) throws {
    let (tree, diagnostics) = ManifestParser.parse(bytes: Array(text.utf8), file: "g.yaml")
    #expect(tree == nil)
    let diagnostic = try #require(diagnostics.first)
    #expect(diagnostic.code == "manifest.syntax")
    #expect(diagnostic.text == explanation)
    #expect(diagnostic.place?.line == line)
    #expect(!diagnostic.help.isEmpty)
  }

  @Test(arguments: ["a:\n\tb: 1\n", "\ta: 1\n", "a:\n  b: 1\n\tc: 2\n"]) func `tabs are named`(text: String) { #expect(codes(text) == ["manifest.tab"]) }

  @Test func `tabs between words and in comments are allowed`() { #expect(codes("a:\t1\t# x\ty\nb: [1,\t2]\n") == []) }

  @Test(arguments: [[0xFF, 0xFE, 0x61, 0x00], [0x61, 0x3A, 0x20, 0xC3], [0xED, 0xA0, 0x80], [0xC0, 0xAF], [0xF5, 0x80, 0x80, 0x80]] as [[UInt8]])
  func `bytes that are no UTF-8 are named`(bytes: [UInt8]) {
    #expect(ManifestParser.parse(bytes: bytes, file: "g.yaml").1.map(\.code) == ["manifest.not-utf8"])
  }

  @Test(arguments: ["a\u{0}b", "\u{7F}", "a\u{FEFF}", "\u{FFFE}", "\u{1B}[2J"]) func `characters that YAML forbids are named`(text: String) {
    #expect(codes(text) == ["manifest.bad-character"])
  }

  @Test func `excerpts hold nothing that a terminal would act on`() throws {
    let (_, diagnostics) = ManifestParser.parse(bytes: Array("a: \u{1B}[31m\u{202E}\n".utf8), file: "g.yaml")
    #expect(try #require(diagnostics.first?.place).excerpt == "a: \u{FFFD}[31m\u{FFFD}")
  }
}

@Suite struct SecretTests {
  @Test func `references are recognised whole`() {
    #expect(SecretReference("${env:MT5_PASSWORD}") == .environment(name: "MT5_PASSWORD"))
    #expect(SecretReference("${file:/run/secrets/a b}") == .file(path: "/run/secrets/a b"))
    #expect(SecretReference("${env:A}")?.name == "env:A")
    #expect(SecretReference("${file:x}")?.name == "file:x")
  }

  @Test(arguments: ["", "${env:}", "${env:1A}", "${env:A-B}", "${ENV:A}", "${vault:A}", "x${env:A}", "${env:A}x", "${env:A}}", "${file:}", "$env:A", "${env}"])
  func `what is no reference is none`(text: String) { #expect(SecretReference(text) == nil) }
}

@Suite struct FilesTests {
  @Test func `the disk is read up to the limit`() throws {
    let files = ManifestFiles.disk
    #expect(files.workingDirectory.hasPrefix("/"))
    #expect(files.kind("/dev/null") == .other)
    #expect(files.kind("/") == .folder)
    #expect(files.kind(#filePath) == .file)
    #expect(files.kind("/no/such/file") == nil)
    #expect(try files.read(#filePath, 9).get().count == 10)
    #expect(throws: ManifestFiles.ReadFailure.self) { try files.read("/no/such/file", 1).get() }
    if case .failure(let failure) = files.read("/", 1) { #expect(failure.text == "it is a folder") }
  }
}
