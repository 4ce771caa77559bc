import GantrySDK

/// What the run's end says about the rows, and the words for their faults.
enum Summary {
  /// What is wrong, in a sentence for the place of a refused row.
  static func sentence(_ fault: RowFault) -> StaticString {
    switch fault {
    case .brokenLine: "the line cannot be read (on_broken_line: refuse)"
    case .fieldCount: "the line has the wrong number of fields (on_field_count: refuse)"
    case .badNumber: "a price is not a positive number, or a size is below 0 (on_bad_number: refuse)"
    case .timeBackwards: "the time is before that of the row before (on_time_backwards: refuse)"
    case .crossed: "the quote is crossed: its ask is below its bid, or a bar's high below its low (on_crossed: refuse)"
    }
  }

  /// The plural of a fault.
  static func plural(_ fault: RowFault) -> StaticString {
    switch fault {
    case .brokenLine: "broken lines"
    case .fieldCount: "lines with the wrong number of fields"
    case .badNumber: "rows with a bad number"
    case .timeBackwards: "rows going back in time"
    case .crossed: "crossed quotes"
    }
  }

  /// One line about all rows read.
  static func text(_ counts: RowCounts, _ reader: borrowing RowReader, events: UInt64) -> Text {
    let files: StaticString = reader.fileCount == 1 ? "file" : "files"
    var text: Text = "read \(counts.rows) rows of \(reader.fileCount) \(files), gave out \(events) events"
    for index in 0..<RowFault.count {
      guard let fault = RowFault(rawValue: index), counts.faults[index].count > 0 else { continue }
      let verb: StaticString = fault == .crossed && counts.letsCrossedThrough ? "let through" : "left out"
      let first = reader.place(counts.faults[index].firstFile, counts.faults[index].firstLine)
      text.bytes += ("; \(verb) \(counts.faults[index].count) \(plural(fault)), the first at \(first)" as Text).bytes
    }
    if counts.rowsOutside > 0 { text.bytes += ("; left out \(counts.rowsOutside) rows outside from and to" as Text).bytes }
    return text
  }
}
