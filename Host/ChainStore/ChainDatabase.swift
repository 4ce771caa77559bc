import GRDB
import GantryBase
import GantryTrace
import Glibc

/// The SQLite index of a run's hop logs, `chains.sqlite` in the run folder. It can be made again
/// from the logs at any time: a file that is damaged, of another version or of another run is
/// replaced, and a folder that cannot be written is indexed in memory.
struct ChainDatabase {
  /// Raised with every change of the tables; an index of another version is made anew.
  static let version = 1
  static let fileName = "chains.sqlite"

  let queue: DatabaseQueue
  /// Nil when the index is in memory.
  let path: String?

  static func open(directory: String, meta: TraceMeta) throws(GantryError) -> ChainDatabase {
    let path = directory + "/" + fileName
    if let opened = try? at(path, meta) { return opened }
    if access(directory, W_OK) == 0 {
      for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
      if let opened = try? at(path, meta) { return opened }
    }
    return try failable {
      let queue = try DatabaseQueue(configuration: configuration)
      try queue.write { try create($0, meta) }
      return ChainDatabase(queue: queue, path: nil)
    }
  }

  private static var configuration: Configuration {
    var configuration = Configuration()
    configuration.busyMode = .timeout(10)
    configuration.maximumReaderCount = 1
    return configuration
  }

  /// An index at this path that fits the run, or an error.
  private static func at(_ path: String, _ meta: TraceMeta) throws -> ChainDatabase {
    var configuration = configuration
    configuration.prepareDatabase { database in
      try database.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536")
    }
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    try queue.write { database in
      let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
      if found == 0 {
        try create(database, meta)
        return
      }
      let run = try String.fetchOne(database, sql: "SELECT value FROM facts WHERE name = 'run'")
      guard found == version, run == identity(meta) else { throw OtherIndex() }
    }
    return ChainDatabase(queue: queue, path: path)
  }

  private struct OtherIndex: Error {}

  private static func identity(_ meta: TraceMeta) -> String { "\(meta.graph) \(meta.startedWallNs)" }

  private static func create(_ database: Database, _ meta: TraceMeta) throws {
    try database.execute(
      sql: """
        CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        -- How far each ring file has been read.
        CREATE TABLE rings (
          id INTEGER PRIMARY KEY, file TEXT NOT NULL UNIQUE, made_ns INTEGER NOT NULL,
          next INTEGER NOT NULL, lost INTEGER NOT NULL, last_hop INTEGER NOT NULL);
        -- One row a hop record; it covers the chains chain ..< chain + span of its origin.
        CREATE TABLE hops (
          id INTEGER PRIMARY KEY, ring INTEGER NOT NULL, origin INTEGER NOT NULL, chain INTEGER NOT NULL,
          span INTEGER NOT NULL, start_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL, node INTEGER NOT NULL,
          hop INTEGER NOT NULL, kind INTEGER NOT NULL, status INTEGER NOT NULL, inputs INTEGER NOT NULL,
          outputs INTEGER NOT NULL, generation INTEGER NOT NULL, parent_first INTEGER NOT NULL,
          order_id INTEGER NOT NULL, event_ns INTEGER NOT NULL);
        CREATE INDEX hops_of_chain ON hops (origin, chain);
        CREATE INDEX hops_of_order ON hops (order_id) WHERE order_id <> 0;
        -- Events, notes and aliases behind hops. order_chain and order_origin: of executions.
        CREATE TABLE details (
          id INTEGER PRIMARY KEY, hop INTEGER NOT NULL, origin INTEGER NOT NULL, chain INTEGER NOT NULL,
          kind INTEGER NOT NULL, event_type INTEGER NOT NULL, is_output INTEGER NOT NULL, instrument INTEGER NOT NULL,
          order_id INTEGER NOT NULL, execution_kind INTEGER NOT NULL, execution_id INTEGER NOT NULL,
          order_origin INTEGER, order_chain INTEGER, payload BLOB, key TEXT, text TEXT);
        CREATE INDEX details_of_hop ON details (hop);
        CREATE INDEX details_of_chain ON details (origin, chain);
        CREATE INDEX details_of_order ON details (order_id) WHERE order_id <> 0;
        CREATE INDEX details_of_order_chain ON details (order_origin, order_chain) WHERE order_chain IS NOT NULL;
        -- What `list` shows.
        CREATE TABLE chains (
          origin INTEGER NOT NULL, chain INTEGER NOT NULL, span INTEGER NOT NULL, start_ns INTEGER NOT NULL,
          end_ns INTEGER NOT NULL, event_ns INTEGER NOT NULL, hops INTEGER NOT NULL, orders INTEGER NOT NULL,
          fills INTEGER NOT NULL, errors INTEGER NOT NULL, instrument INTEGER NOT NULL,
          PRIMARY KEY (origin, chain)) WITHOUT ROWID;
        CREATE INDEX chains_by_start ON chains (start_ns);
        -- Times of the traced hops of each node, for an event; a LatencySnapshot as JSON.
        CREATE TABLE nodes (node INTEGER PRIMARY KEY, latency TEXT NOT NULL);
        """)
    try database.execute(sql: "INSERT INTO facts VALUES ('run', ?)", arguments: [identity(meta)])
    try database.execute(sql: "PRAGMA user_version = \(version)")
  }
}

/// Runs what may throw anything and says it in our words.
func failable<Result>(_ work: () throws -> Result) throws(GantryError) -> Result {
  do {
    return try work()
  } catch let error as GantryError {
    throw error
  } catch {
    throw GantryError(
      "chain.store-failed", "the index of chains failed: \(error).",
      help: ["remove chains.sqlite; it is made again from the hop logs"], exit: .failed)
  }
}
