import GantryAdmin
import GantryBase
import Testing

@Suite struct ControlRequestTests {
  private func refusal(_ line: String) -> ControlRequest.Refusal? {
    do throws(ControlRequest.Refusal) {
      _ = try ControlRequest(line: Array(line.utf8))
      return nil
    } catch { return error }
  }

  @Test func `a request is read with its arguments`() throws {
    let request = try ControlRequest(line: Array(#"{"verb":"tap","id":7,"gantry":1,"port":"risk.orders","count":3,"where":["side=buy"]}"#.utf8))
    #expect(request.id == 7)
    #expect(request.verb == .tap)
    #expect(request.text("port") == "risk.orders")
    #expect(request.number("count") == 3)
    #expect(request.texts("where") == ["side=buy"])
    #expect(request.flag("count") == nil)
  }

  @Test func `what is written is read again`() throws {
    let request = ControlRequest(.swap, id: -3, ["node": .text("a\"\\\n\u{1F600}"), "set": .list([.text("x=1")]), "warm": .number(500), "wait": .bool(false)])
    #expect(try ControlRequest(line: Array(request.line.utf8)) == request)
  }

  @Test(arguments: [
    ("", "control.not-json"), ("nonsense", "control.not-json"), ("[]", "control.not-an-object"), ("{}", "control.no-version"),
    (#"{"gantry":2,"verb":"status"}"#, "control.version"), (#"{"gantry":"1","verb":"status"}"#, "control.version"),
    (#"{"gantry":1}"#, "control.no-verb"), (#"{"gantry":1,"verb":7}"#, "control.no-verb"), (#"{"gantry":1,"verb":"statsu"}"#, "control.unknown-verb"),
    (#"{"gantry":1,"verb":"status","node":"x"}"#, "control.unknown-argument"), (#"{"gantry":1,"verb":"pause"}"#, "control.missing-argument"),
    (#"{"gantry":1,"verb":"pause","node":1}"#, "control.bad-argument"), (#"{"gantry":1,"verb":"tap","port":"a","count":1.5}"#, "control.bad-argument"),
    (#"{"gantry":1,"verb":"status","id":1e300}"#, "control.bad-id"), (#"{"gantry":1,"gantry":1,"verb":"status"}"#, "control.not-json"),
    (#"{"gantry":1,"verb":"status"}x"#, "control.not-json"), (#"{"gantry":1,"verb":"status",}"#, "control.not-json"),
    (#"{"gantry":01,"verb":"status"}"#, "control.not-json"), ("{\"gantry\":1,\"verb\":\"sta\ntus\"}", "control.not-json"),
  ])
  func `a line that is no request is refused with its reason`(line: String, code: String) throws {
    #expect(refusal(line)?.diagnostic.code == code)
  }

  @Test func `a refusal carries the id and a hint`() {
    let found = refusal(#"{"gantry":1,"id":9,"verb":"statsu"}"#)
    #expect(found?.id == 9)
    #expect(found?.diagnostic.help == ["did you mean status?"])
    let nested = refusal(String(repeating: "[", count: 100_000))
    #expect(nested?.diagnostic.code == "control.not-json")
    let bytes: [UInt8] = Array(#"{"gantry":1,"verb":""#.utf8) + [0xFF, 0xFE] + Array(#""}"#.utf8)
    #expect(throws: ControlRequest.Refusal.self) { try ControlRequest(line: bytes) }
  }

  @Test func `every random line is a request or a refusal with a sentence`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var random = SplitMix(seed)
    let pieces = ["{", "}", "[", "]", ",", ":", "\"", "\\", "\\u12", "gantry", "\"gantry\":1", "\"verb\":\"status\"", "1e9", "-", "true", "nul", " ", "\u{7F}"]
    for _ in 0..<20_000 {
      var bytes: [UInt8] = []
      for _ in 0..<Int(random.next() % 12) {
        if random.next() % 4 == 0 { bytes.append(UInt8(truncatingIfNeeded: random.next())) } else { bytes += pieces[Int(random.next() % UInt64(pieces.count))].utf8 }
      }
      do throws(ControlRequest.Refusal) {
        let request = try ControlRequest(line: bytes)
        #expect((try? ControlRequest(line: Array(request.line.utf8))) == request)
      } catch { #expect(!error.diagnostic.text.isEmpty) }
    }
  }
}

/// splitmix64: the same numbers for the same seed everywhere.
struct SplitMix {
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
