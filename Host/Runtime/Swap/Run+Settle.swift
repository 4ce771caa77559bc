import GantryBase
import Synchronization

/// Waiting for swaps. Any thread but a lane's.
extension Run {
  /// Waits for the end of the swap of this id. Throws why it did not come to a flip, when it was under way.
  public func waitForSwap(_ id: String) throws(GantryError) -> SwapReport {
    let (driver, ended) = swapList.withLock { swaps in
      (swaps.all.last { $0.request.id == id }, swaps.ended.last { $0.id == id })
    }
    if let ended { return ended }
    guard let driver else {
      throw GantryError("swap.none", "there was no swap \(id)", exit: .usage)
    }
    return try driver.wait(untilEnd: true)
  }

  /// Ends what is under way, of one node or of all, as a newer change does: what has not flipped yet is
  /// superseded, what is on probation stays.
  public func settleSwaps(of node: String? = nil) {
    let drivers = swapList.withLock { Array($0.drivers.values) }.filter { node == nil || $0.request.node == node }
    for driver in drivers {
      driver.ask(.supersede)
      _ = try? driver.wait(untilEnd: true)
    }
  }
}
