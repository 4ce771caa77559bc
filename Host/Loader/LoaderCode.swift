/// The closed list of the loader's diagnostic codes. A code never changes its meaning.
public enum LoaderCode {
  /// The file or folder does not exist or cannot be read.
  public static let unreadable = "loader.unreadable"
  /// The bytes are not an ELF file.
  public static let notELF = "loader.not-elf"
  /// Built for another processor.
  public static let otherMachine = "loader.other-machine"
  /// An ELF file, but not a shared object.
  public static let notSharedObject = "loader.not-shared-object"
  /// Parts of the file are missing.
  public static let truncated = "loader.truncated"
  /// `gantry_plugin_entry` is not exported.
  public static let noEntry = "loader.no-entry"
  /// Defines STB_GNU_UNIQUE symbols.
  public static let uniqueSymbol = "loader.unique-symbol"
  /// Needs a library outside the allow-list.
  public static let library = "loader.library"
  /// A needed private library's name is taken by other bytes in this process.
  public static let soname = "loader.soname"
  /// A bundle folder is not one.
  public static let bundle = "loader.bundle"
  /// The system's dynamic loader refused.
  public static let open = "loader.open"
  /// The entry returned null with a reason.
  public static let refused = "loader.refused"
  /// The entry returned null without a reason.
  public static let noReason = "loader.no-reason"
  /// The ABI's version does not fit.
  public static let abi = "loader.abi"
  /// A `size` field cannot be true.
  public static let size = "loader.size"
  /// A count cannot be true.
  public static let count = "loader.count"
  /// A pointer is null or points to memory that cannot be read.
  public static let pointer = "loader.pointer"
  /// A required function is null or no code.
  public static let function = "loader.function"
  /// Text is not UTF-8.
  public static let utf8 = "loader.utf8"
  /// An id, version, port or parameter name is malformed.
  public static let name = "loader.name"
  /// A name occurs twice.
  public static let duplicate = "loader.duplicate"
  /// A kind, type, effect, determinism or flag that this host does not know.
  public static let unknown = "loader.unknown"
  /// A parameter's declaration contradicts itself; its default does not parse or is out of range.
  public static let parameter = "loader.parameter"
  /// A declared ability has no extension, or an extension's table is wrong.
  public static let ability = "loader.ability"
  /// The file offers another plugin than its name says.
  public static let fileName = "loader.file-name"
  /// `trust: manifest` and the file is not in plugins.lock.
  public static let notPinned = "loader.not-pinned"
  /// `trust: manifest` and the file's bytes differ from the pinned ones.
  public static let pinMismatch = "loader.pin-mismatch"
  /// plugins.lock itself is damaged.
  public static let lockFile = "loader.lock-file"
  /// `trust: signed` and there is no valid signature from a listed key.
  public static let signature = "loader.signature"
  /// Code that cannot be unmapped takes much of what is allowed (warning).
  public static let residentHigh = "loader.resident-high"
  /// Code that cannot be unmapped takes all that is allowed.
  public static let residentMax = "loader.resident-max"
  /// The staging folder cannot be made or written.
  public static let staging = "loader.staging"
  /// The throwaway child died while it looked at the plugin.
  public static let crashed = "loader.crashed"
  /// The throwaway child did not answer in time.
  public static let deadline = "loader.deadline"
  /// The throwaway child could not be started or gave no readable answer.
  public static let child = "loader.child"
  /// A version requirement that cannot be read.
  public static let requirement = "loader.requirement"
}
