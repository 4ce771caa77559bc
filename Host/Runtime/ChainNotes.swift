import CGantry
import CLinux

/// The host's side of `gantry.chain/1`. Notes and aliases are kept for chains that are being
/// traced, and cost one test otherwise.

private func bytes(_ text: gantry_string, limit: Int) -> UnsafeRawBufferPointer {
  guard let data = text.data else { return UnsafeRawBufferPointer(start: nil, count: 0) }
  return UnsafeRawBufferPointer(start: data, count: Int(min(text.length, UInt64(limit))))
}

func noteOnHop(_ context: UnsafeMutablePointer<NodeContext>, cause: UInt32, key: gantry_string, value: gantry_string) {
  guard context.pointee.isTraced, let trace = context.pointee.trace else { return holdNote(context, cause: cause, key: key, value: value) }
  trace._withUnsafeGuaranteedRef {
    $0.note(chain: context.pointee.chain, key: bytes(key, limit: 64), text: bytes(value, limit: 256))
  }
}

/// Keeps the newest note of a chain that is not traced, in case it orders after all.
private func holdNote(_ context: UnsafeMutablePointer<NodeContext>, cause: UInt32, key: gantry_string, value: gantry_string) {
  let key = bytes(key, limit: noteKeyCapacity)
  let text = bytes(value, limit: noteTextCapacity)
  let target = UnsafeMutableRawPointer(context.pointee.heldNote)
  if let source = key.baseAddress { target.copyMemory(from: source, byteCount: key.count) }
  if let source = text.baseAddress { (target + noteKeyCapacity).copyMemory(from: source, byteCount: text.count) }
  context.pointee.heldKeyLength = key.count
  context.pointee.heldTextLength = text.count
  context.pointee.heldChain = context.pointee.now[1]
  context.pointee.heldCause = cause
}

/// Writes down the note that a node made in the running chain before the chain was traced.
func releaseNote(_ context: UnsafeMutablePointer<NodeContext>, _ trace: LaneTrace, chain: UInt64) {
  guard context.pointee.heldChain == context.pointee.now[1] else { return }
  context.pointee.heldChain = -1
  let note = UnsafeRawPointer(context.pointee.heldNote)
  trace.note(
    chain: chain, key: UnsafeRawBufferPointer(start: note, count: context.pointee.heldKeyLength),
    text: UnsafeRawBufferPointer(start: note + noteKeyCapacity, count: context.pointee.heldTextLength))
}

func aliasOrder(_ context: UnsafeMutablePointer<NodeContext>, orderID: UInt64, outside: gantry_string) {
  guard clinux_thread_tag() == context.pointee.laneTag, let trace = context.pointee.trace else {
    context.pointee.misuse &+= 1
    return
  }
  trace._withUnsafeGuaranteedRef {
    $0.alias(chain: context.pointee.chain, orderID: orderID, outside: bytes(outside, limit: 256))
  }
}

/// The number of a call is when it began, in ticks; its target becomes a note of the running hop.
func beginDependency(_ context: UnsafeMutablePointer<NodeContext>, target: gantry_string) -> UInt64 {
  if clinux_thread_tag() == context.pointee.laneTag {
    noteOnHop(context, cause: 0, key: ("call" as StaticString).abiText, value: target)
  }
  return clinux_ticks()
}

func endDependency(_ context: UnsafeMutablePointer<NodeContext>, call: UInt64, status: gantry_status) {
  guard clinux_thread_tag() == context.pointee.laneTag, context.pointee.isTraced, let trace = context.pointee.trace
  else { return }
  trace._withUnsafeGuaranteedRef { $0.call(chain: context.pointee.chain, node: context.pointee.node, began: call, status: status) }
}

extension StaticString {
  /// The literal in the ABI's form.
  var abiText: gantry_string {
    gantry_string(data: UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self), length: UInt64(utf8CodeUnitCount))
  }
}
