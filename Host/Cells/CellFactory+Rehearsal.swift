import GantryBase
import GantryGraph
import GantryLoader
import GantryRuntime

extension CellFactory {
  /// What `SwapRequest.rehearsal` is set to: the candidate goes through load, create, configure, start, the
  /// counted instance's state and the node's events in a throwaway cell first, so that its trap, hang or
  /// greed is not ours. The error says how it died and in which call.
  ///
  /// - Parameter image: the bytes that the candidate's code was loaded from
  public func rehearsal(
    of request: SwapRequest, image: PluginImage, run: Run, limits: CellLimits? = nil
  ) -> @Sendable () throws(GantryError) -> Void {
    { [self] () throws(GantryError) in try rehearse(request, image, run, limits ?? self.limits) }
  }

  private func rehearse(_ request: SwapRequest, _ image: PluginImage, _ run: Run, _ limits: CellLimits) throws(GantryError) {
    guard let node = request.graph.node(named: request.node) else {
      throw GantryError("swap.unknown-node", "no node is named \(request.node)", exit: .usage)
    }
    var limits = limits
    limits.isThrowaway = true
    let plugin = try makePlugin(request.graph.nodes[node], request.code.description, image, limits, request.code.libraries)
    let code = PluginCode(
      raw: plugin.raw, description: request.code.description, sha256: image.sha256, generation: request.code.generation, libraries: request.code.libraries)
    var failure: GantryError?
    do throws(GantryError) { try run.rehearse(request, in: code) } catch { failure = error }
    let ending = plugin.firstEnd
    withExtendedLifetime(plugin) {}
    guard failure != nil || ending != nil else { return }
    let remedies = ending == nil ? failure?.diagnostics.first?.help ?? [] : []
    let what = ending.map { "its cell \($0)" } ?? failure?.diagnostics.first?.text ?? "it failed"
    throw GantryError(
      "swap.rehearsal-failed",
      "the candidate \(request.code.description.id)@\(request.code.description.version) for \(request.node) failed in its rehearsal: \(what)",
      at: failure?.diagnostics.first?.place,
      help: remedies.isEmpty ? ["nothing of the run was touched; mend the plugin, and run `gantry plugin check` on it"] : ["nothing of the run was touched"] + remedies)
  }
}
