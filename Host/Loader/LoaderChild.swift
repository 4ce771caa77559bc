/// The hidden verbs by which this executable serves the loader as a throwaway child.
public enum LoaderChild {
  /// Serves a hidden verb.
  ///
  /// - Parameter arguments: without the program's name
  /// - Returns: what to pass to `_exit` (not `exit`: no plugin code may run again), or nil when the
  ///   arguments are for people
  public static func run(arguments: [String]) -> Int32? {
    switch arguments.first {
    case PluginInspector.verb: PluginInspector.childMain(arguments: Array(arguments.dropFirst()))
    case PluginConformance.verb: PluginConformance.childMain(arguments: Array(arguments.dropFirst()))
    default: nil
    }
  }
}
