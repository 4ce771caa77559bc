import GantryBase
import Testing

@Suite struct RenderingTests {
  @Test func `a long line is cut around the place`() {
    let line = String(repeating: "a", count: 300) + "HERE" + String(repeating: "b", count: 300)
    let lines = Diagnostic(.error, "graph.x", "wrong", at: Place(file: "f", line: 7, column: 301, length: 4, excerpt: line)).rendered().split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[1].count < 180)
    let caret = lines[2].firstIndex(of: "^").map { lines[2].distance(from: lines[2].startIndex, to: $0) } ?? 0
    #expect(lines[1].dropFirst(caret).hasPrefix("HEREb"))
    #expect(lines[2].hasSuffix("^^^^ wrong"))
  }

  @Test func `a place beyond a long line and one with a length beyond it are kept in bounds`() {
    for (column, length) in [(1, 10_000), (601, 1), (9_000, 5), (0, 0), (-4, 2)] {
      let place = Place(file: "f", line: 1, column: column, length: length, excerpt: String(repeating: "a", count: 600))
      #expect(Diagnostic(.error, "graph.x", "wrong", at: place).rendered().split(separator: "\n").count == 3)
    }
  }

  @Test func `a text is quoted short and on one line`() {
    #expect(quoted("a\nb") == "'a b'")
    #expect(quoted(String(repeating: "x", count: 50)) == "'" + String(repeating: "x", count: 40) + "...'")
  }
}
