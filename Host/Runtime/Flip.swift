import CGantry
import CLinux
import GantryBase
import GantryGraph
import Synchronization

/// The flip of a node to another instance, at an event boundary: the smallest form of a swap. The
/// candidate is created, configured and started beside the old instance; the lane hands over the
/// state, the ids and the random position, and exchanges the pointers between two blocks.
///
/// What it taught the ABI: a state's `load` runs on the lane at the flip, so its contract allows
/// [lane]; timers belong to a node's place on the lane and not to an instance, so they need no
/// hand-over; an instance's handle dies with it, so the candidate has a handle of its own from the
/// start.
public struct FlipResult: Sendable {
  /// How long the lane stood still for it.
  public var pauseNs: UInt64
  public var stateBytes: Int
  /// The lane's event count at the boundary.
  public var atEvent: UInt64
}

/// One flip on its way to the lane.
final class FlipCommand: LaneCommand, @unchecked Sendable {  // the lane's while it performs
  let slot: Int
  let candidate: Instance
  let oldState: UnsafePointer<gantry_state>?
  let newState: UnsafePointer<gantry_state>?
  let buffer: UnsafeMutablePointer<UInt8>
  let capacity: Int
  var used = 0
  var result = FlipResult(pauseNs: 0, stateBytes: 0, atEvent: 0)
  var status: gantry_status = GANTRY_OK

  /// The largest state that is handed over on the lane.
  static let stateBytesMax = 64 << 10

  init(slot: Int, candidate: Instance, oldState: UnsafePointer<gantry_state>?, newState: UnsafePointer<gantry_state>?) {
    self.slot = slot
    self.candidate = candidate
    self.oldState = oldState
    self.newState = newState
    capacity = FlipCommand.stateBytesMax
    buffer = .allocate(capacity: capacity)
    buffer.initialize(repeating: 0, count: capacity)
    super.init()
  }

  deinit { buffer.deallocate() }

  override func perform(_ lane: Lane) -> Bool {
    exchange(lane)
    return true
  }
}

extension FlipCommand {
  fileprivate func exchange(_ lane: Lane) {
    let node = lane.nodes + slot
    status = lane.handOver(node, self)
    if status == GANTRY_OK {
      candidate.context.pointee.nextID = node.pointee.context.pointee.nextID
      candidate.context.pointee.random = node.pointee.context.pointee.random
      node.pointee.instance = candidate.raw
      node.pointee.onBatch = candidate.code.raw.pointee.on_batch
      node.pointee.plugin = candidate.code.raw
      node.pointee.context = candidate.context
      node.pointee.generation = candidate.code.generation
      lane.recorder.decision(.flipped, node: node.pointee.index, value: Int64(candidate.code.generation))
    }
    result.stateBytes = used
    result.atEvent = lane.eventCount
  }
}

extension Lane {
  /// Saves the old instance's state and loads it into the candidate, in memory made beforehand.
  fileprivate func handOver(_ node: UnsafeMutablePointer<LaneNode>, _ flip: FlipCommand) -> gantry_status {
    guard let old = flip.oldState, let new = flip.newState else { return GANTRY_OK }
    guard old.pointee.bound(node.pointee.instance) <= UInt64(flip.capacity) else { return GANTRY_FULL }
    var writer = gantry_state_writer()
    writer.size = UInt32(MemoryLayout<gantry_state_writer>.size)
    writer.context = Unmanaged.passUnretained(flip).toOpaque()
    writer.write = { writer, bytes, length in
      guard let context = writer?.pointee.context else { return GANTRY_MISUSE }
      return Unmanaged<FlipCommand>.fromOpaque(context)._withUnsafeGuaranteedRef { flip in
        guard let bytes, length <= UInt64(flip.capacity - flip.used) else { return length == 0 ? GANTRY_OK : GANTRY_FULL }
        UnsafeMutableRawPointer(flip.buffer + flip.used).copyMemory(from: bytes, byteCount: Int(length))
        flip.used += Int(length)
        return GANTRY_OK
      }
    }
    let saved = old.pointee.save(node.pointee.instance, &writer)
    guard saved == GANTRY_OK else { return saved }
    return new.pointee.load(
      flip.candidate.raw, old.pointee.version, gantry_bytes(data: UnsafePointer(flip.buffer), length: UInt64(flip.used)))
  }
}

extension Run {
  /// Replaces a running node's instance by one of `code`, with its state, between two events. The
  /// old instance is stopped and destroyed on this thread. Throws, and changes nothing, when the
  /// candidate does not start, has another schema or does not take the state.
  @discardableResult
  public func flip(node name: String, to code: PluginCode) throws(GantryError) -> FlipResult {
    let graph = graph
    guard let index = graph.node(named: name), let (lane, slot) = place(of: numbers[index]) else {
      throw GantryError("swap.unknown-node", "no node named \(name) runs on a lane", exit: .usage)
    }
    guard code.description.effects == .none, graph.nodes[index].plugin.effects == .none else {
      throw GantryError("swap.external", "\(name) acts on the outside; it swaps by hand-over only")
    }
    let known = graph.nodes[index].plugin
    guard code.description.id == known.id, code.description.parameters == known.parameters,
      code.description.inputs == known.inputs, code.description.outputs == known.outputs
    else {
      throw GantryError(
        "swap.other-plugin", "\(code.description.id)@\(code.description.version) has not the parameters and ports of \(name)'s \(known.id)",
        help: ["use apply, which checks the graph with the new plugin first"])
    }
    let candidate = try makeCandidate(index, code)
    let old = instances[index]
    let flip = FlipCommand(
      slot: slot, candidate: candidate, oldState: old.capability("gantry.state/1", as: gantry_state.self),
      newState: candidate.capability("gantry.state/1", as: gantry_state.self))
    guard lane.ask(flip) == .done else {
      candidate.destroy()
      throw GantryError("swap.ended", "the run ended before \(name) could be swapped", exit: .failed)
    }
    flip.result.pauseNs = flip.pauseNs
    guard flip.status == GANTRY_OK else {
      candidate.destroy()
      throw GantryError("swap.state-refused", "the candidate for \(name) did not take the state (\(statusName(flip.status)))")
    }
    replaceInstance(index, by: candidate)
    if let error = old.stop() { throw error }
    old.destroy()
    return flip.result
  }

  private func place(of number: Int) -> (Lane, Int)? {
    for lane in planner.lanes {
      for slot in 0..<lane.nodeCount where lane.nodes[slot].index == Int32(number) { return (lane, slot) }
    }
    return nil
  }

  private func makeCandidate(_ index: Int, _ code: PluginCode) throws(GantryError) -> Instance {
    let context = addContext(index)
    context.pointee.trace = instances[index].context.pointee.trace
    context.pointee.slot = instances[index].context.pointee.slot
    let candidate = try Instance(graph: graph, node: index, code: code, context: context)
    do throws(GantryError) {
      var artifacts: [ArtifactUse] = []
      try candidate.configure(graph, inputs: inputSchemas(index), artifacts: &artifacts)
      guard candidate.schemas == instances[index].schemas else {
        throw GantryError(
          "swap.other-schema", "the candidate for \(graph.nodes[index].name) has other output columns",
          help: ["use apply, which makes new instances of all that read it"])
      }
      try candidate.start()
    } catch {
      candidate.destroy()
      throw error
    }
    return candidate
  }
}
