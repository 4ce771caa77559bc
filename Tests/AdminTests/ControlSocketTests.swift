import CLinux
import GantryAdmin
import GantryBase
import Glibc
import Testing

/// The server itself, in this process, with clients that do what they please.
@Suite struct ControlSocketTests {
  private func folder() throws -> String { try LiveGraph.temporaryFolder() }
  private let status = #"{"gantry":1,"id":1,"verb":"status"}"# + "\n"

  /// Answers each request with its verb; `tap` streams until its client goes, `stop` waits.
  private func server(_ path: String, limits: ControlStream.Limits = .init()) throws -> ControlServer {
    try ControlServer(ControlSocket(path: path), limits: limits) { request, _, reply in
      if request.verb == .tap {
        var line = 0
        while !reply.isGone {
          if !reply.progress(line) { usleep(1000) }
          line += 1
        }
      }
      reply.done(request.verb.rawValue)
    }
  }

  private func code(_ path: String) -> String? {
    do throws(GantryError) {
      let socket = try ControlSocket(path: path)
      _ = socket.path
      return nil
    } catch { return error.diagnostics.first?.code }
  }

  @Test func `the socket is for its user only, and gone when the host is`() throws {
    let path = try folder() + "/deep/er/c.sock"
    let server = try server(path)
    var status = stat()
    #expect(stat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    #expect(status.st_mode & S_IFMT == S_IFSOCK)
    server.stop()
    #expect(stat(path, &status) != 0)
  }

  @Test func `a stale socket is replaced, a live one and other files are left alone`() throws {
    let path = try folder() + "/c.sock"
    let dead = clinux_unix_listen(path)
    #expect(dead >= 0)
    close(dead)
    let server = try server(path)
    #expect(code(path) == "control.in-use")
    let client = try RawClient(path)
    client.send(self.status)
    #expect(try client.line() == #"{"gantry":1,"id":1,"ok":true,"result":"status"}"#)
    server.stop()
    try LiveGraph.write("mine", path)
    #expect(code(path) == "control.not-a-socket")
    #expect(LiveGraph.read(path) == "mine")
    #expect(code(String(repeating: "x", count: 200)) == "control.no-socket")
  }

  @Test func `requests of one connection are answered in their order`() throws {
    let path = try folder() + "/c.sock"
    let server = try server(path)
    let client = try RawClient(path)
    client.send((1...100).map { "{\"gantry\":1,\"id\":\($0),\"verb\":\"\($0 % 3 == 0 ? "stop" : "status")\"}\r\n" }.joined())
    for id in 1...100 { #expect(try client.line() == "{\"gantry\":1,\"id\":\(id),\"ok\":true,\"result\":\"\(id % 3 == 0 ? "stop" : "status")\"}") }
    shutdown(client.descriptor, Int32(SHUT_WR))
    #expect(try client.line() == nil)
    server.stop()
  }

  @Test func `a hundred megabytes without a line's end are refused once`() throws {
    let path = try folder() + "/c.sock"
    let server = try server(path)
    let before = clinux_resident_bytes()
    let client = try RawClient(path)
    let chunk = [UInt8](repeating: 0x41, count: 1 << 20)
    var isTaken = true
    for _ in 0..<100 where isTaken { isTaken = client.send(chunk) }
    #expect(try client.line()?.contains("control.line-too-long") == true)
    #expect(clinux_resident_bytes() < before + 16 << 20)
    let next = try RawClient(path)
    next.send(status)
    #expect(try next.line() != nil)
    server.stop()
  }

  @Test func `garbage is answered and harms nobody`() throws {
    let path = try folder() + "/c.sock"
    let server = try server(path)
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var random = SplitMix(seed)
    for _ in 0..<50 {
      let client = try RawClient(path)
      client.send((0..<Int(random.next() % 5000)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
      if random.next() % 2 == 0 { client.send("\n" + status) }
      if random.next() % 4 == 0 {
        client.send("\n")
        shutdown(client.descriptor, Int32(SHUT_WR))
        while let line = try client.line() { #expect(line.hasPrefix("{\"gantry\":1,")) }
      }
    }
    let client = try RawClient(path)
    client.send(status)
    #expect(try client.line() != nil)
    server.stop()
  }

  @Test func `silence and half a line are given up; who asks is served meanwhile`() throws {
    var limits = ControlStream.Limits()
    limits.firstNs = 200_000_000
    let path = try folder() + "/c.sock"
    let server = try server(path, limits: limits)
    let silent = try RawClient(path)
    let half = try RawClient(path)
    half.send(#"{"gantry":1,"#)
    let client = try RawClient(path)
    client.send(status)
    #expect(try client.line() != nil)
    #expect(try silent.line() == nil)
    #expect(try half.line() == nil)
    client.send(status)
    #expect(try client.line() != nil)
    server.stop()
  }

  @Test func `many silent connections keep nobody out`() throws {
    var limits = ControlStream.Limits()
    limits.connectionsMax = 8
    let path = try folder() + "/c.sock"
    let server = try server(path, limits: limits)
    var silent: [RawClient] = []
    for _ in 0..<50 { silent.append(try RawClient(path)) }
    let client = try RawClient(path)
    client.send(status)
    #expect(try client.line() != nil)
    #expect(try silent[0].line() == nil)
    server.stop()
  }

  @Test func `a client that does not read costs a bounded amount and is given up`() throws {
    var limits = ControlStream.Limits()
    limits.writeNs = 300_000_000
    limits.outputBytesMax = 1 << 20
    let path = try folder() + "/c.sock"
    let server = try server(path, limits: limits)
    let before = clinux_resident_bytes()
    let slow = try RawClient(path)
    slow.send(#"{"gantry":1,"id":1,"verb":"tap","port":"a.b"}"# + "\n")
    let client = try RawClient(path)
    try until("the slow client is given up") {
      client.send(status)
      let line = try client.line()
      #expect(line != nil)
      // What had been sent is still there to be read; then comes the end.
      var polled = pollfd(fd: slow.descriptor, events: 0, revents: 0)
      poll(&polled, 1, 0)
      return polled.revents & Int16(POLLHUP) != 0
    }
    #expect(clinux_resident_bytes() < before + 32 << 20)
    server.stop()
  }

  @Test func `a client that goes away ends its long request, and a stop waits for the rest`() throws {
    let path = try folder() + "/c.sock"
    let server = try server(path)
    do {
      let gone = try RawClient(path)
      gone.send(#"{"gantry":1,"id":1,"verb":"tap","port":"a.b"}"# + "\n")
      #expect(try gone.line() == #"{"gantry":1,"id":1,"progress":0}"#)
    }
    server.stop()
  }
}
