import GantryBase
import GantryModels
import Testing

@Suite struct CardTests {
  @Test func `a card reads back as it was written`() throws {
    let card = ModelCard(
      format: "gantry.linear/1", file: "momentum 2.json", sha256: String(repeating: "ab", count: 32), also: ["weights.bin": String(repeating: "0f", count: 32)],
      columns: ["ema_10", "no", "a b", "1e5"], trainingData: "sha256:1234", metrics: [.init("auc", 0.61), .init("log loss", -1e-9)],
      library: "xgboost 2.1.3", created: "2026-03-01T12:00:00Z", note: "two\nlines, \"quoted\" \\ and: # more")
    #expect(try ModelCard(bytes: Array(card.text.utf8), file: "model.yaml") == card)
  }
}
