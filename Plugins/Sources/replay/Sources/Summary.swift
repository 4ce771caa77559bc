import GantrySDK

/// What the run's end says about the rows, and the words for their faults.
enum Summary {
  /// What is wrong and the remedy, for the place of a refused row.
  static func sentence(_ fault: RowFault) -> StaticString {
    switch fault {
    case .brokenLine: "the line cannot be read; on_broken_line: skip would leave it out"
    case .fieldCount: "the line has the wrong number of fields; on_field_count: skip would leave it out"
    case .badNumber: "a price is not a positive number, or a size is below 0; on_bad_number: skip would leave it out"
    case .timeBackwards: "the time is before that of the row before; on_time_backwards: skip would leave it out"
    case .crossed:
      "the quote is crossed (its ask is below its bid, or a bar's high below its low); on_crossed: skip would leave it out, count let it through"
    }
  }

  /// A fault, once or often.
  private static func words(_ fault: RowFault, _ count: UInt64) -> StaticString {
    switch fault {
    case .brokenLine: words(count, "broken line", "broken lines")
    case .fieldCount: words(count, "line with the wrong number of fields", "lines with the wrong number of fields")
    case .badNumber: words(count, "row with a bad number", "rows with a bad number")
    case .timeBackwards: words(count, "row going back in time", "rows going back in time")
    case .crossed: words(count, "crossed quote", "crossed quotes")
    }
  }

  private static func words(_ count: UInt64, _ one: StaticString, _ many: StaticString) -> StaticString {
    count == 1 ? one : many
  }

  /// One line about all rows read.
  static func text(_ counts: RowCounts, _ reader: borrowing RowReader, events: UInt64) -> Text {
    let rowWords = words(counts.rows, "row", "rows")
    let fileWords = words(UInt64(reader.fileCount), "file", "files")
    let eventWords = words(events, "event", "events")
    var text: Text = "read \(counts.rows) \(rowWords) of \(reader.fileCount) \(fileWords), gave out \(events) \(eventWords)"
    for index in 0..<RowFault.count {
      let count = counts.faults[index].count
      guard let fault = RowFault(rawValue: index), count > 0 else { continue }
      let verb: StaticString = fault == .crossed && counts.letsCrossedThrough ? "let through" : "left out"
      let place = reader.place(counts.faults[index].firstFile, counts.faults[index].firstLine)
      let at = words(count, "at", "the first at")
      text.bytes += ("; \(verb) \(count) \(words(fault, count)), \(at) \(place)" as Text).bytes
    }
    if counts.rowsOutside > 0 {
      let rowWords = words(counts.rowsOutside, "row", "rows")
      text.bytes += ("; left out \(counts.rowsOutside) \(rowWords) outside from and to" as Text).bytes
    }
    return text
  }
}
