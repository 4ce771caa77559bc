import GantryBase
import Glibc
import Testing

@testable import GantryLoader

@Suite struct LockFileTests {
  private let one = String(repeating: "1a", count: 32)
  private let two = String(repeating: "2b", count: 32)

  @Test func `the text is sorted and read back`() throws {
    var lock = LockFile()
    lock.plugins = [
      .init(id: "paper", version: "1.0.0", sha256: two, path: "plugins/lib paper.so"),
      .init(id: "limits", version: "2.1.0", sha256: one, path: "liblimits.so"),
    ]
    lock.libraries = [.init(sha256: one, path: "lib/libonnxruntime.so.1")]
    #expect(
      lock.text == """
        gantry-lock 1
        plugin limits 2.1.0 \(one) liblimits.so
        plugin paper 1.0.0 \(two) plugins/lib paper.so
        library \(one) lib/libonnxruntime.so.1

        """)
    #expect(try LockFile(text: lock.text, file: "plugins.lock").text == lock.text)
  }

  @Test func `pinning again replaces the earlier pin`() {
    var lock = LockFile()
    let description = PluginDescription(id: "paper", version: "1.0.0", kind: .broker)
    lock.pin([description], sha256: one, path: "a")
    lock.pin([description], sha256: two, path: "b")
    #expect(lock.plugins == [.init(id: "paper", version: "1.0.0", sha256: two, path: "b")])
  }

  @Test func `every damaged line is reported with its place`() {
    let text = "gantry-lock 2\nplugin paper 1.0.0 \(one) ok.so\nplugin Paper 1.0.0 \(one) x.so\nlibrary short lib.so\n# a remark\nnonsense\n"
    do throws(GantryError) {
      _ = try LockFile(text: text, file: "plugins.lock")
      Issue.record("should be refused")
    } catch {
      #expect(error.diagnostics.map { $0.place?.line } == [1, 3, 4, 6])
      #expect(error.diagnostics.allSatisfy { $0.code == LoaderCode.lockFile && !$0.help.isEmpty })
    }
  }

  @Test func `an unknown file and a changed one get different answers`() {
    var lock = LockFile()
    lock.pin([PluginDescription(id: "paper", version: "1.0.0", kind: .broker)], sha256: one, path: "libpaper.so")
    #expect(lock.refusal(path: "/x/libpaper.so", sha256: one) == nil)
    #expect(lock.refusal(path: "/x/libpaper.so", sha256: two)?.code == LoaderCode.pinMismatch)
    #expect(lock.refusal(path: "/x/libother.so", sha256: two)?.code == LoaderCode.notPinned)
  }

  @Test func `a written file is read back whole`() throws {
    let path = "/tmp/gantry-lock-test-\(getpid())"
    defer { unlink(path) }
    var lock = LockFile()
    lock.libraries = [.init(sha256: one, path: "x")]
    try lock.write(to: path)
    try lock.write(to: path)
    #expect(try LockFile(path: path) == lock)
  }
}
