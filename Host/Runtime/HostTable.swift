import CGantry
import CLinux
import GantryBase

/// The host's functions, as C sees them. All check the handle's epoch; those tagged [lane] check
/// the calling thread as well and count a misuse instead of acting.

private func context(_ node: OpaquePointer?) -> UnsafeMutablePointer<NodeContext>? {
  guard let node else { return nil }
  let context = UnsafeMutablePointer<NodeContext>(node)
  return context.pointee.isAlive ? context : nil
}

/// Whether the caller is the thread that runs this node.
@inline(__always)
private func isOwner(_ context: UnsafeMutablePointer<NodeContext>) -> Bool {
  if clinux_thread_tag() == context.pointee.laneTag || context.pointee.inControl { return true }
  context.pointee.misuse &+= 1
  return false
}

/// The one table; the same for all instances of the process. Constant after its first use.
nonisolated(unsafe) let hostTable: UnsafePointer<gantry_host> = {
  let table = UnsafeMutablePointer<gantry_host>.allocate(capacity: 1)
  table.initialize(to: gantry_host())
  table.pointee.size = UInt32(MemoryLayout<gantry_host>.size)
  table.pointee.abi_major = GANTRY_ABI_MAJOR
  table.pointee.abi_minor = GANTRY_ABI_MINOR
  table.pointee.name = permanentText("gantry")
  table.pointee.version = permanentText(gantryVersion)

  table.pointee.get_extension = { node, id in
    guard let context = context(node), let id = swiftText(id) else { return nil }
    _ = context
    switch id {
    case "gantry.chain/1": return UnsafeRawPointer(chainTable)
    case "gantry.library/1": return UnsafeRawPointer(libraryTable)
    case "gantry.model/1": return UnsafeRawPointer(modelTable)
    default: return nil
    }
  }
  table.pointee.log = { node, severity, text in
    guard let context = context(node) else { return }
    context.pointee.services._withUnsafeGuaranteedRef {
      $0.log.write(node: context.pointee.node, severity: severity, chain: 0, text)
    }
  }
  table.pointee.fail = { node, status, retryable, text in
    guard let context = context(node) else { return GANTRY_GONE }
    context.pointee.failStatus = status
    context.pointee.failRetryable = retryable != 0
    let length = text.data == nil ? 0 : Int(min(text.length, UInt64(failTextCapacity)))
    if length > 0 { UnsafeMutableRawPointer(context.pointee.failText).copyMemory(from: text.data!, byteCount: length) }
    context.pointee.failLength = length
    return status
  }
  table.pointee.now = { node in
    guard let context = context(node) else { return 0 }
    if context.pointee.clock == .live, clinux_thread_tag() != context.pointee.laneTag { return clinux_wall_ns() }
    return context.pointee.now.pointee
  }
  table.pointee.random = { node in
    guard let context = context(node), isOwner(context) else { return 0 }
    return context.pointee.random.next()
  }
  table.pointee.next_id = { node in
    guard let context = context(node), isOwner(context) else { return 0 }
    context.pointee.nextID &+= 1
    return context.pointee.nextID
  }
  table.pointee.set_timer = { node, due, tag in
    guard let context = context(node) else { return GANTRY_GONE }
    guard context.pointee.mayUseTimers, isOwner(context) else { return GANTRY_MISUSE }
    return context.pointee.timers.pointee.set(slot: context.pointee.slot, tag: tag, dueNs: due) ? GANTRY_OK : GANTRY_FULL
  }
  table.pointee.cancel_timer = { node, tag in
    guard let context = context(node) else { return GANTRY_GONE }
    guard context.pointee.mayUseTimers, isOwner(context) else { return GANTRY_MISUSE }
    return context.pointee.timers.pointee.cancel(slot: context.pointee.slot, tag: tag) ? GANTRY_OK : GANTRY_NOT_FOUND
  }
  table.pointee.instrument = { node, id, out in
    guard let context = context(node) else { return GANTRY_GONE }
    guard let out else { return GANTRY_MISUSE }
    return context.pointee.services._withUnsafeGuaranteedRef {
      copySized($0.instrument(id), to: out, size: out.pointee.size)
    }
  }
  table.pointee.currency = { node, index, out in
    guard let context = context(node) else { return GANTRY_GONE }
    guard let out else { return GANTRY_MISUSE }
    return context.pointee.services._withUnsafeGuaranteedRef {
      copySized($0.currency(index), to: out, size: out.pointee.size)
    }
  }
  table.pointee.model_ref = { node, name, version in
    guard let context = context(node), let name = swiftText(name), let version = swiftText(version) else { return 0 }
    return context.pointee.services._withUnsafeGuaranteedRef { $0.modelReference(name: name, version: version) }
  }
  table.pointee.secret = { node, name, buffer, capacity, length in
    guard let context = context(node) else { return GANTRY_GONE }
    guard let name = swiftText(name), let length else { return GANTRY_MISUSE }
    guard context.pointee.mayReadSecrets else { return GANTRY_DENIED }
    return context.pointee.services._withUnsafeGuaranteedRef { services in
      switch services.secret(name) {
      case nil: return GANTRY_NOT_FOUND
      case .some(var bytes):
        defer { for index in bytes.indices { bytes[index] = 0 } }
        length.pointee = UInt64(bytes.count)
        guard UInt64(bytes.count) <= capacity, let buffer else { return GANTRY_FULL }
        for (index, byte) in bytes.enumerated() { buffer[index] = byte }
        return GANTRY_OK
      }
    }
  }
  table.pointee.define_metric = { node, kind, name, unit, help in
    guard let context = context(node), let name = swiftText(name), let unit = swiftText(unit), let help = swiftText(help)
    else { return 0 }
    let number = context.pointee.services._withUnsafeGuaranteedRef {
      $0.defineMetric(
        node: Int(context.pointee.node), .init(name: name, unit: unit, help: help, isCounter: kind == 1))
    }
    if number > 0, kind == 1 { context.pointee.counters |= 1 << UInt64(number - 1) }
    return number
  }
  table.pointee.update_metric = { node, metric, value in
    guard let context = context(node), metric >= 1, metric <= UInt32(metricsPerNode) else { return }
    let index = Int(metric) - 1
    if context.pointee.counters >> UInt64(index) & 1 == 1 {
      context.pointee.metrics[index] += value
    } else {
      context.pointee.metrics[index] = value
    }
  }
  return UnsafePointer(table)
}()

/// `gantry.chain/1`. Constant after its first use.
nonisolated(unsafe) private let chainTable: UnsafePointer<gantry_chain_host> = {
  let table = UnsafeMutablePointer<gantry_chain_host>.allocate(capacity: 1)
  table.initialize(to: gantry_chain_host())
  table.pointee.size = UInt32(MemoryLayout<gantry_chain_host>.size)
  table.pointee.note = { node, cause, key, value in
    guard let context = context(node), isOwner(context) else { return }
    noteOnHop(context, cause: cause, key: key, value: value)
  }
  table.pointee.begin_dependency = { node, target in
    guard let context = context(node) else { return 0 }
    return beginDependency(context, target: target)
  }
  table.pointee.end_dependency = { node, call, status in
    guard let context = context(node) else { return }
    endDependency(context, call: call, status: status)
  }
  table.pointee.alias = { node, orderID, outside in
    guard let context = context(node) else { return }
    aliasOrder(context, orderID: orderID, outside: outside)
  }
  return UnsafePointer(table)
}()

/// `gantry.model/1`. Constant after its first use.
nonisolated(unsafe) private let modelTable: UnsafePointer<gantry_model_host> = {
  let table = UnsafeMutablePointer<gantry_model_host>.allocate(capacity: 1)
  table.initialize(to: gantry_model_host())
  table.pointee.size = UInt32(MemoryLayout<gantry_model_host>.size)
  table.pointee.describe = { node, parameter, out in
    guard let context = context(node) else { return GANTRY_GONE }
    guard let out else { return GANTRY_MISUSE }
    guard let models = context.pointee.models, Int(parameter) < context.pointee.modelCount, models[Int(parameter)].size > 0 else {
      return GANTRY_NOT_FOUND
    }
    return copySized(UnsafePointer(models + Int(parameter)), to: out, size: out.pointee.size)
  }
  return UnsafePointer(table)
}()

/// Copies a sized struct to a caller whose struct may be shorter, and keeps the caller's size.
private func copySized<Value>(
  _ source: UnsafePointer<Value>?, to target: UnsafeMutablePointer<Value>, size: UInt32
) -> gantry_status {
  guard let source else { return GANTRY_NOT_FOUND }
  guard size >= 8 else { return GANTRY_MISUSE }
  let length = min(Int(size), MemoryLayout<Value>.size)
  UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: length)
  UnsafeMutableRawPointer(target).storeBytes(of: UInt32(length), as: UInt32.self)
  return GANTRY_OK
}
