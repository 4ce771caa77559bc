import CGantry
import GantrySDK

/// What the inputs said, by instrument: the running round's predictions and the last one of each input.
///
/// A round is one chain's predictions of one instrument. It begins with the first row of another chain, or with a
/// row of an edge that the round has passed already (a model that spoke twice). Fixed memory.
struct Rounds {
  static var inputsMax: Int { 64 }

  /// One input's prediction, as far as it is combined.
  struct Said {
    var value = 0.0
    var probability = 0.0
    var horizonNs: Int64 = 0
    var eventNs: Int64 = .min
    var label: Int32 = -1
  }

  private struct Round {
    var chain: UInt64 = 0
    /// Inputs that have spoken in this round.
    var fresh: UInt64 = 0
    var regime = Double.nan
    var origin: UInt16 = 0
    var isOpen = false
    var hasRegime = false
    /// The last edge that has delivered, in the order of `from`; -1 before the first round.
    var place: Int32 = -1
  }

  let instruments: Int
  let inputs: Int
  private let rounds: UnsafeMutablePointer<Round>
  /// For each instrument and input the last prediction that was a number.
  private let said: UnsafeMutablePointer<Said>
  /// What `choose` has chosen.
  let chosen: UnsafeMutablePointer<Said>
  let isChosen: UnsafeMutablePointer<Bool>

  init(instruments: Int, inputs: Int) {
    self.instruments = instruments
    self.inputs = inputs
    rounds = .allocate(capacity: instruments + 1)
    rounds.initialize(repeating: Round(), count: instruments + 1)
    said = .allocate(capacity: (instruments + 1) * inputs)
    said.initialize(repeating: Said(), count: (instruments + 1) * inputs)
    chosen = .allocate(capacity: inputs)
    chosen.initialize(repeating: Said(), count: inputs)
    isChosen = .allocate(capacity: inputs)
    isChosen.initialize(repeating: false, count: inputs)
  }

  func destroy() {
    rounds.deallocate()
    said.deallocate()
    chosen.deallocate()
    isChosen.deallocate()
  }

  @inline(__always)
  func slot(_ instrument: UInt32) -> Int { Int(instrument) <= instruments ? Int(instrument) : 0 }

  func begins(_ slot: Int, _ header: UnsafePointer<gantry_header>, place: Int) -> Bool {
    let round = rounds + slot
    return round.pointee.place < 0 || round.pointee.chain != header.pointee.chain || round.pointee.origin != header.pointee.origin
      || Int(round.pointee.place) >= place
  }

  func begin(_ slot: Int, _ header: UnsafePointer<gantry_header>) {
    rounds[slot].chain = header.pointee.chain
    rounds[slot].origin = header.pointee.origin
    rounds[slot].fresh = 0
    rounds[slot].hasRegime = false
    rounds[slot].isOpen = true
  }

  func isOpen(_ slot: Int) -> Bool { rounds[slot].isOpen }
  func close(_ slot: Int) { rounds[slot].isOpen = false }
  func reached(_ slot: Int, place: Int) { rounds[slot].place = Int32(truncatingIfNeeded: place) }
  func freshCount(_ slot: Int) -> Int { rounds[slot].fresh.nonzeroBitCount }
  func hasRegime(_ slot: Int) -> Bool { rounds[slot].hasRegime }
  func regime(_ slot: Int) -> Double { rounds[slot].regime }

  func take(_ slot: Int, input: Int, _ prediction: UnsafePointer<gantry_prediction>) {
    // One that has nothing to say is silent.
    if !prediction.pointee.value.isFinite { return }
    rounds[slot].fresh |= 1 &<< UInt64(input)
    said[slot &* inputs &+ input] = Said(
      value: prediction.pointee.value, probability: prediction.pointee.probability, horizonNs: prediction.pointee.horizon_ns,
      eventNs: prediction.pointee.header.event_ns, label: prediction.pointee.label)
  }

  func takeRegime(_ slot: Int, _ regime: Double) {
    rounds[slot].regime = regime
    rounds[slot].hasRegime = true
  }

  /// Chooses this round's predictions, and of silent inputs the last one up to `maxAgeNs` old (below
  /// 0: none). Returns how many there are.
  func choose(_ slot: Int, nowNs: Int64, maxAgeNs: Int64) -> Int {
    var count = 0
    for input in 0..<inputs {
      let last = said[slot &* inputs &+ input]
      let isFresh = rounds[slot].fresh & (1 &<< UInt64(input)) != 0
      let isRecent = maxAgeNs >= 0 && last.eventNs != .min && nowNs &- last.eventNs <= maxAgeNs
      isChosen[input] = isFresh || isRecent
      chosen[input] = last
      if isChosen[input] { count &+= 1 }
    }
    return count
  }

  // MARK: state

  var stateBound: Int { 16 + (instruments + 1) * (40 + inputs * 40) }

  func save(_ writer: borrowing StateWriter) throws(Failure) {
    try writer.write(UInt64(instruments))
    try writer.write(UInt64(inputs))
    for slot in 0...instruments {
      let round = rounds[slot]
      try writer.write(round.chain)
      try writer.write(round.fresh)
      try writer.write(round.regime)
      try writer.write(UInt32(round.origin) | (round.isOpen ? 1 << 16 : 0) | (round.hasRegime ? 1 << 17 : 0))
      try writer.write(round.place)
      for input in 0..<inputs {
        let said = said[slot * inputs + input]
        try writer.write(said.value)
        try writer.write(said.probability)
        try writer.write(said.horizonNs)
        try writer.write(said.eventNs)
        try writer.write(Int64(said.label))
      }
    }
  }

  func load(_ reader: inout StateReader) throws(Failure) {
    guard try reader.read(as: UInt64.self) == UInt64(instruments), try reader.read(as: UInt64.self) == UInt64(inputs) else {
      throw Failure.unsupported("the saved state is of other inputs or instruments")
    }
    for slot in 0...instruments {
      var round = Round()
      round.chain = try reader.read(as: UInt64.self)
      round.fresh = try reader.read(as: UInt64.self)
      round.regime = try reader.read(as: Double.self)
      let flags = try reader.read(as: UInt32.self)
      round.place = try reader.read(as: Int32.self)
      guard flags >> 18 == 0, round.place >= -1, inputs == 64 || round.fresh >> UInt64(inputs) == 0 else { throw Failure.invalid("the saved state is damaged") }
      round.origin = UInt16(truncatingIfNeeded: flags)
      round.isOpen = flags & 1 << 16 != 0
      round.hasRegime = flags & 1 << 17 != 0
      rounds[slot] = round
      for input in 0..<inputs {
        var last = Said()
        last.value = try reader.read(as: Double.self)
        last.probability = try reader.read(as: Double.self)
        last.horizonNs = try reader.read(as: Int64.self)
        last.eventNs = try reader.read(as: Int64.self)
        guard let label = Int32(exactly: try reader.read(as: Int64.self)) else { throw Failure.invalid("the saved state is damaged") }
        last.label = label
        said[slot * inputs + input] = last
      }
    }
  }
}
