import Testing

@testable import GantrySDKFull

@Suite struct NearestTests {
  private func nearestName(_ name: String, _ names: [String]) -> String? {
    nearest(to: text(name), among: names.map(text)).map { String(decoding: $0.bytes, as: UTF8.self) }
  }

  private func text(_ string: String) -> Text { Text(bytes: Array(string.utf8)) }

  @Test func `a letter changed, added, left out or swapped is forgiven`() {
    let names = ["ema_10", "ema_20", "rsi_14", "spread"]
    #expect(nearestName("ena_10", names) == "ema_10")
    #expect(nearestName("ema_100", names) == "ema_10")
    #expect(nearestName("sprad", names) == "spread")
    #expect(nearestName("sperad", names) == "spread")
    #expect(nearestName("RSI_14", names) == "rsi_14")
  }

  @Test func `what is not near anything has no nearest name`() {
    #expect(nearestName("volume", ["ema_10", "spread"]) == nil)
    #expect(nearestName("", ["ema_10"]) == nil)
    #expect(nearestName("ema_10", []) == nil)
    #expect(nearestName("x", ["y"]) == "y")
  }

  @Test func `the distance counts a swap of neighbours as one`() {
    #expect(editDistance(Array("abcd".utf8), Array("acbd".utf8)) == 1)
    #expect(editDistance(Array("".utf8), Array("abc".utf8)) == 3)
    #expect(editDistance(Array("abc".utf8), Array("".utf8)) == 3)
    #expect(editDistance(Array("kitten".utf8), Array("sitting".utf8)) == 3)
  }
}
