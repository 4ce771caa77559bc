import GantryBase
import GantryManifest

/// The graph as the file says it: shapes checked, names not yet looked up.
struct GraphDraft {
  var name = ""
  var clock = Graph.Clock.replay
  var plugins = PluginsDraft()
  /// Absolute; nil = `models` beside the file.
  var modelPath: [String]?
  var trace = TraceShare.one(in: 16)
  var feedbackMax = 64
  var instruments: [Instrument] = []
  /// False when some could not be read; a symbol that is missing then is no second mistake.
  var instrumentsAreComplete = true
  var currencies: [Currency] = []
  var nodes: [NodeDraft] = []
  var tests: [TestDraft] = []
}

struct PluginsDraft {
  var path: [String] = []
  var trust = Graph.Trust.any
  var lock: String?
}

/// A text and where it stands.
struct Word: Equatable {
  var text: String
  var place: Place
}

struct NodeDraft {
  var name: String
  var place: Place
  /// The name in the file, where `for_each` made this node from one entry.
  var template: String?
  var each: String?
  var forEach: [Word]?
  var plugin: Word?
  var from: [FromDraft] = []
  /// Where a missing input is reported.
  var fromPlace: Place?
  var parameters: [ManifestEntry] = []
  var parametersPlace: Place?
  var lane: Word?
  var queue: QueueDraft?
  var onError: OnErrorDraft?
  var grants: [(need: PluginDescription.Need, place: Place)] = []
  var isolation = Isolation.none
  var cell = CellPolicy()
  var swap = SwapPolicy()
  /// Keys of `swap` that only make sense when an instance may run muted.
  var mutedSwapKeys: [Word] = []
  var trace: TraceShare?
  /// Something about it could not be read: what follows from that is no second mistake.
  var isIncomplete = false

  /// Its name in sentences about the file.
  var title: String { template ?? name }

  init(name: String, place: Place) {
    self.name = name
    self.place = place
  }
}

struct FromDraft {
  /// The input port's name, in the mapping form.
  var port: Word?
  /// `node`, `node.port`, with `~` for feedback.
  var reference: Word
}

struct QueueDraft {
  var policy = QueuePolicy()
  var isLossy = false
  var place: Place
}

struct OnErrorDraft {
  enum Action { case skip, halt, fallback(Word) }
  var action: Action
  var place: Place
}

struct TestDraft {
  var name: String
  var place: Place
  var given: [(node: Word, path: Word)] = []
  var expect: [(port: Word, events: [[ManifestEntry]])] = []
}
