import GantryBase
import Glibc

/// Makes a journal whose writer was killed end with its last whole frame.
public enum JournalRepair {
  public struct Cut: Sendable, Equatable {
    public var place: JournalPlace
    public var bytes: Int
  }

  /// Reads the whole journal and cuts off a torn tail. Nil when there was none. Damage is thrown as
  /// the reader does, and nothing is changed then.
  public static func cut(directory: String) throws(GantryError) -> Cut? {
    let reader = try JournalReader(directory: directory)
    while try reader.next() != nil {}
    // A segment whose writer was killed before it could give it its name: nothing stands in it.
    let begun = JournalSegments.path(directory, try JournalSegments(directory: directory).count + 1) + JournalFormat.unnamedSuffix
    if unlink(begun) != 0, errno != ENOENT { throw journalFailure("journal.write-failed", "cannot remove \(begun)", errno) }
    guard let place = reader.tornPlace, reader.tornBytes > 0 else { return nil }
    let segments = try JournalSegments(directory: directory)
    if segments.hasEmptyTail {
      let path = segments.path(segments.count + 1)
      if unlink(path) != 0 { throw journalFailure("journal.write-failed", "cannot remove \(path)", errno) }
    }
    if truncate(place.file, off_t(place.offset)) != 0 {
      throw journalFailure("journal.write-failed", "cannot cut \(place)", errno)
    }
    return Cut(place: place, bytes: reader.tornBytes)
  }
}
