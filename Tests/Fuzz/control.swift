import GantryAdmin
import GantryBase

/// Any bytes as what a client sends over the control socket, in pieces of any size: every line is a
/// request, which reads back the same from what it writes, or is refused with a sentence. No more than
/// one line's worth of bytes is ever kept.
///
/// The first byte says how large the pieces are.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzControl(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  guard size > 0, let data else { return 0 }
  let piece = Int(data[0]) + 1
  let bytes = UnsafeBufferPointer(start: data + 1, count: size - 1)
  var stream = ControlStream(nowNs: 0)
  var position = 0
  var lines = 0
  while position < bytes.count {
    let end = min(position + piece, bytes.count)
    stream.received(bytes[position..<end], nowNs: 0)
    position = end
    while case .line(let line) = stream.next(nowNs: 0) {
      lines += 1
      precondition(!line.contains(10), "a line ends where it ends")
      check(line)
    }
  }
  stream.endReceived()
  let ends = bytes.count { $0 == 10 }
  precondition(lines <= ends, "more lines than were sent")
  return 0
}

private func check(_ line: [UInt8]) {
  do throws(ControlRequest.Refusal) {
    let request = try ControlRequest(line: line)
    let again = try ControlRequest(line: Array(request.line.utf8))
    precondition(again == request, "a request reads back as it was")
  } catch {
    precondition(!error.diagnostic.text.isEmpty && error.diagnostic.code.hasPrefix("control."), "a refusal says why")
  }
}
