import CGantry
import Foundation
import PluginHarness
import Testing

/// What a wrong artifact is answered with.
@Suite struct ArtifactTests {
  /// The failure's text, without the file's name.
  private func refusal(_ text: String, columns: [String] = ["a", "b"]) -> String {
    refusal(Array(text.utf8), columns: columns)
  }

  private func refusal(_ bytes: [UInt8], columns: [String] = ["a", "b"]) -> String {
    do {
      _ = try linear(bytes, columns: columns)
      return "accepted"
    } catch let failure as PluginFailure {
      guard failure.call == "configure", failure.status == -1, failure.text.hasPrefix("(test):") else { return "\(failure)" }
      return String(failure.text.dropFirst("(test):".count))
    } catch {
      return "\(error)"
    }
  }

  @Test func `a column the input does not have is named, with what there is`() {
    let text = artifact(columns: ["ema_10", "ema_02"], coefficients: "[1, -1]")
    #expect(
      refusal(text, columns: ["ema_10", "ema_20", "rsi_14"])
        == "6:25: the model needs the column \"ema_02\", which its input does not have; did you mean \"ema_20\"? the input's columns are ema_10, ema_20, rsi_14"
    )
    #expect(
      refusal(artifact(columns: ["volume"]), columns: ["ema_10"])
        == "6:15: the model needs the column \"volume\", which its input does not have; the input's columns are ema_10")
  }

  @Test func `an unknown, a missing and a doubled key are named with line and column`() {
    #expect(refusal(artifact(more: #", "mean": [1]"#)) == "7:24: unknown key \"mean\"; did you mean \"means\"?")
    #expect(refusal(artifact(more: #", "threshold": 1"#)).hasPrefix("7:24: unknown key \"threshold\"; the keys of this format are format, name, version"))
    #expect(refusal(artifact(more: #", "intercept": 1"#)) == "7:24: the key \"intercept\" comes twice; it stands in line 5 too")
    #expect(refusal(artifact().replacingOccurrences(of: #""version": "1.0.0","#, with: "")) == "8:1: the key \"version\" is missing")
  }

  @Test func `counts that do not fit are refused`() {
    #expect(refusal(artifact(coefficients: "[1, 2]")) == "7:3: 1 columns, but 2 coefficients; there must be one for each column")
    #expect(refusal(artifact(more: #", "means": []"#)) == "7:24: 1 columns, but 0 means; there must be one for each column")
    #expect(refusal(artifact(more: #", "scales": [1, 2]"#)) == "7:24: 1 columns, but 2 scales; there must be one for each column")
    #expect(refusal(artifact(columns: ["a", "a"], coefficients: "[1, 2]")) == "6:20: the column \"a\" comes twice")
    #expect(refusal(artifact(more: #", "scales": [0]"#)) == "7:35: a scale must be above 0; leave out a column that is constant")
    #expect(refusal(artifact(coefficients: "[1e300]", more: #", "scales": [1e-300]"#)).contains("beyond the range of a double"))
  }

  @Test(arguments: ["NaN", "Infinity", "-Infinity", "nan", "1e999", "-1e400", "01", "1.", ".5", "+1", "1e", "0x1p3", "null", "true", "\"1\"", "[1]"])
  func `only finite JSON numbers are numbers`(number: String) {
    #expect(refusal(artifact(intercept: number)).hasPrefix("5:"))
    #expect(refusal(artifact(coefficients: "[\(number)]")).hasPrefix("7:"))
  }

  @Test func `another format, kind or horizon is refused`() {
    #expect(refusal(artifact(format: "gantry.linear/2")) == "2:13: the format is \"gantry.linear/2\"; this plugin reads \"gantry.linear/1\"")
    #expect(refusal(artifact(kind: "forest")) == "4:11: the kind is \"forest\"; it must be \"linear\" or \"logistic\"")
    for horizon in ["", "5", "m", "5 m", "1.5ns", "-5m", "99999999999999d", "1..5s", "5M"] {
      #expect(refusal(artifact(more: ", \"horizon\": \"\(horizon)\"")).contains("is no duration"), "\(horizon)")
    }
  }

  @Test func `what is not JSON is refused at its place`() {
    #expect(refusal("") == "1:1: expected '{', found the end of the file: the file is cut off, so write it again")
    #expect(refusal("[]") == "1:1: expected '{', found '['")
    #expect(refusal("{\"format\" 1}") == "1:11: expected ':', found '1'")
    #expect(refusal("{\"format\": \"gantry.linear/1\",}") == "1:30: expected a string in double quotes, found '}'")
    #expect(refusal(artifact() + "x").hasPrefix("8:2: expected the end of the file"))
    #expect(refusal(artifact(coefficients: "[1,]")).hasPrefix("7:22: expected a number"))
    #expect(refusal("{\"form").contains("this string does not end"))
    #expect(refusal("{\"a\nb\": 1}").hasPrefix("1:4: a control character"))
    #expect(refusal([0xEF, 0xBB, 0xBF] + Array(artifact().utf8)).contains("byte order mark"))
    #expect(refusal([0x7B, 0x22, 0xC0, 0x80, 0x22]).hasPrefix("1:3: a byte that is not UTF-8"))
    #expect(refusal([0x7B, 0x22, 0xED, 0xA0, 0x80, 0x22]).hasPrefix("1:3: a byte that is not UTF-8"))
    #expect(refusal(#"{"\ud800": 1}"#).hasPrefix("1:3: half of a surrogate pair"))
    #expect(refusal(#"{"\x": 1}"#).hasPrefix("1:3: an unknown escape"))
  }

  @Test func `names are unescaped and may hold any scalar`() throws {
    let p = try linear(artifact(columns: [#"\u00e4\ud83d\ude00\"\/"#]), columns: ["ä😀\"/"])
    #expect(try p.send(features: [FeatureRow([7])])[0].prediction.value == 7)
  }

  @Test func `every number is the double nearest to its text`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = Seeded(seed)
    var texts = [
      "0", "-0", "0.1", "1e22", "1e23", "9007199254740993", "9007199254740992.99999999999999999999", "4.9e-324", "2.4703282292062327e-324",
      "2.4703282292062328e-324", "2.2250738585072011e-308", "2.2250738585072014e-308", "1.7976931348623157e308", "8.41e-318", "5e-325", "1e-400",
      "0.000000000000000000000000000000000000000000000123456789", "123456789012345678901234567890", "6929495644600919.5", "3.7455744005952583e15",
    ]
    for _ in 0..<3000 {
      switch random.next() % 3 {
      case 0: texts.append("\(Double(bitPattern: random.next() & 0xFFEF_FFFF_FFFF_FFFF))")
      case 1: texts.append("\(random.next() % 1_000_000).\(random.next())e\(Int(random.next() % 600) - 300)")
      default: texts.append("-\(random.next())\(random.next())e-\(random.next() % 340)")
      }
    }
    texts = texts.filter { Double($0)!.isFinite }
    for start in stride(from: 0, to: texts.count, by: 50) {
      let part = Array(texts[start..<min(start + 50, texts.count)])
      let columns = part.indices.map { "c\($0)" }
      let p = try linear(artifact(columns: columns, coefficients: "[\(part.joined(separator: ", "))]"), columns: columns)
      let rows = part.indices.map { index in FeatureRow(part.indices.map { $0 == index ? 1 : 0 }) }
      for (text, value) in zip(part, try p.send(features: rows).map(\.prediction.value)) where value != Double(text)! {
        Issue.record("\(text) was read as \(value); seed \(seed)")
      }
    }
  }

  @Test func `no mutation of an artifact crashes the reader`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = Seeded(seed)
    print("artifact mutations: seed \(seed)")
    let valid = artifact(
      kind: "logistic", columns: ["a", #"\u00e4b"#], coefficients: "[1.5e-3, -2]", more: #", "means": [0.1, 2], "scales": [1, 1e2], "horizon": "5m""#)
    let original = Array(valid.utf8)
    let pieces = [
      "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "1e", "-", "NaN", "1e99999999", "\u{0}", "null", "[[[[", "\"means\":", "9999999999999999999999",
    ].map { Array($0.utf8) }
    var accepted = 0
    for _ in 0..<4000 {
      var bytes = original
      for _ in 0...(random.next() % 4) {
        let place = Int(random.next() % UInt64(bytes.count + 1))
        switch random.next() % 5 {
        case 0 where place < bytes.count: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 1 where place < bytes.count: bytes.remove(at: place)
        case 2: bytes.insert(contentsOf: pieces[Int(random.next() % UInt64(pieces.count))], at: place)
        case 3: bytes.removeSubrange(place...)
        default:
          let other = Int(random.next() % UInt64(bytes.count + 1))
          bytes.insert(contentsOf: bytes[min(place, other)..<max(place, other)], at: place)
        }
      }
      do {
        _ = try linear(bytes, columns: ["a", "äb"])
        accepted += 1
      } catch let failure as PluginFailure {
        #expect(failure.status == -1 && !failure.text.isEmpty, "seed \(seed): \(bytes)")
      }
    }
    #expect(accepted < 4000)
  }
}

/// splitmix64
struct Seeded: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
