import GantryBase
import GantryJournal

/// Any bytes as a journal's segment: read to its end, cut off where it is torn, or refused with a
/// diagnostic. The first byte says whether checksums are believed, so that what is behind them is
/// reached as well.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJournal(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  guard size > 0, let data else { return 0 }
  let bytes = UnsafeRawBufferPointer(start: data + 1, count: size - 1)
  do throws(GantryError) {
    _ = try JournalReader.check(bytes: bytes, trustingChecksums: data[0] & 1 != 0)
  } catch {
    precondition(!error.diagnostics.isEmpty && error.exitCode == .badInput, "a damaged journal is bad input, and says why")
  }
  return 0
}
