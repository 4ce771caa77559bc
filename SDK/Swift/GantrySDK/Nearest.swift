import CGantry

/// The name among `candidates` that a mistyped `name` probably meant, or nil when none is near:
/// at most a third of the name's bytes changed, added, left out or swapped with their neighbour.
/// Not for the lane: it allocates.
public func nearest(to name: Text, among candidates: [Text]) -> Text? {
  let limit = max(1, name.bytes.count / 3)
  var best: Text?
  var bestDistance = limit + 1
  for candidate in candidates {
    // A difference in length is a lower bound of the distance.
    if abs(candidate.bytes.count - name.bytes.count) >= bestDistance { continue }
    let distance = editDistance(name.bytes, candidate.bytes)
    if distance < bestDistance {
      bestDistance = distance
      best = candidate
    }
  }
  return best
}

/// Levenshtein's distance, with a swap of neighbours counted as one; letters' case is ignored.
func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
  var before: [Int] = []
  var previous = [Int](0...right.count)
  for i in 0..<left.count {
    var row = [i + 1]
    row.reserveCapacity(right.count + 1)
    for j in 0..<right.count {
      let cost = lowercase(left[i]) == lowercase(right[j]) ? 0 : 1
      var distance = min(previous[j + 1] + 1, row[j] + 1, previous[j] + cost)
      if i > 0, j > 0, lowercase(left[i]) == lowercase(right[j - 1]), lowercase(left[i - 1]) == lowercase(right[j]) {
        distance = min(distance, before[j - 1] + 1)
      }
      row.append(distance)
    }
    before = previous
    previous = row
  }
  return previous[right.count]
}

private func lowercase(_ byte: UInt8) -> UInt8 { byte >= 65 && byte <= 90 ? byte + 32 : byte }
