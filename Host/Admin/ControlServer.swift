import CLinux
import GantryBase
import Glibc
import Synchronization

/// Serves the control socket: one thread that polls, and one more for each request that may take
/// long. It has nothing to do with lanes and never waits for a client.
///
/// A client is any process that can connect. One of another user is told so and closed; one that
/// sends garbage, half a line, too much or nothing, or that does not read, costs a bounded amount
/// of memory and time (`ControlStream.Limits`), and its place goes to the next when all are taken.
public final class ControlServer: Sendable {
  public typealias Handler = @Sendable (ControlRequest, ControlPeer, ControlReply) -> Void

  public let path: String
  private let shared: Shared
  private let worker: Worker

  private final class Shared: Sendable {
    let stopAtNs = Atomic<Int64>(0)
    let wakeDescriptor: Int32
    init(_ descriptor: Int32) { wakeDescriptor = descriptor }
    deinit { close(wakeDescriptor) }
  }

  /// Serves a socket that has been opened, until `stop`.
  public init(_ socket: consuming ControlSocket, limits: ControlStream.Limits = .init(), handler: @escaping Handler) throws(GantryError) {
    let wake = clinux_event_open()
    guard wake >= 0 else {
      throw GantryError("control.no-event", "the system refused a descriptor: \(String(cString: strerror(-wake)))", exit: .failed)
    }
    let shared = Shared(wake)
    let listener = socket.take()
    path = listener.path
    self.shared = shared
    do throws(GantryError) {
      worker = try Worker(name: "control") {
        var loop = Loop(listener: listener, shared: shared, limits: limits, handler: handler)
        loop.run()
      }
    } catch {
      listener.close()
      throw error
    }
  }

  /// Ends the service: no new requests; what was answered is sent, for at most so long. Waits for
  /// the end of requests that are being worked on. Removes the socket.
  public func stop(flushNs: Int64 = 1_000_000_000) {
    shared.stopAtNs.store(clinux_monotonic_ns() + flushNs, ordering: .releasing)
    clinux_event_signal(shared.wakeDescriptor)
    worker.join()
  }
}

extension ControlServer {
  /// A connection, as the server's thread knows it.
  private final class Connection {
    let descriptor: Int32
    let peer: ControlPeer
    let output: ControlOutput
    var stream: ControlStream
    let openedNs: Int64
    var writingSinceNs: Int64?
    /// Closed as soon as all is sent.
    var isClosing = false

    init(descriptor: Int32, peer: ControlPeer, output: ControlOutput, stream: ControlStream, openedNs: Int64) {
      self.descriptor = descriptor
      self.peer = peer
      self.output = output
      self.stream = stream
      self.openedNs = openedNs
    }
  }

  /// A long request's thread.
  private final class Task: Sendable {
    let isDone = Atomic<Bool>(false)
  }

  private struct Loop {
    let listener: ControlSocket.Listener
    let shared: Shared
    let limits: ControlStream.Limits
    let handler: Handler
    var connections: [Connection] = []
    var tasks: [(Task, Worker)] = []
    static let tasksMax = 32

    init(listener: ControlSocket.Listener, shared: Shared, limits: ControlStream.Limits, handler: @escaping Handler) {
      self.listener = listener
      self.shared = shared
      self.limits = limits
      self.handler = handler
    }

    mutating func run() {
      while true {
        let stopAtNs = shared.stopAtNs.load(ordering: .acquiring)
        let nowNs = clinux_monotonic_ns()
        if stopAtNs != 0, nowNs >= stopAtNs || connections.allSatisfy({ $0.output.isEmpty && !$0.output.isBusy }) { break }
        var polls = [
          pollfd(fd: shared.wakeDescriptor, events: Int16(POLLIN), revents: 0),
          pollfd(fd: stopAtNs == 0 ? listener.descriptor : -1, events: Int16(POLLIN), revents: 0),
        ]
        var deadlineNs = stopAtNs == 0 ? Int64.max : stopAtNs
        for connection in connections {
          let isBusy = connection.output.isBusy
          var events = 0
          if connection.stream.wantsBytes, !isBusy || connection.isClosing { events |= Int(POLLIN) }
          if connection.writingSinceNs != nil { events |= Int(POLLOUT) }
          polls.append(pollfd(fd: connection.descriptor, events: Int16(events), revents: 0))
          deadlineNs = min(deadlineNs, connection.stream.deadlineNs(isBusy: isBusy, writingSinceNs: connection.writingSinceNs))
        }
        let waitMs = max(0, min(60_000, (deadlineNs - nowNs) / 1_000_000 + 1))
        _ = poll(&polls, nfds_t(polls.count), Int32(waitMs))
        if polls[0].revents != 0 { clinux_event_clear(shared.wakeDescriptor) }
        for (index, connection) in connections.enumerated() { serve(connection, Int32(polls[index + 2].revents), isStopping: stopAtNs != 0) }
        sweep()
        if polls[1].revents != 0 { accept() }
      }
      for connection in connections { end(connection) }
      for (_, worker) in tasks { worker.join() }
      listener.close()
    }

    /// Takes all that wait. When every place is taken the one that has been idle longest makes room.
    private mutating func accept() {
      while true {
        let descriptor = clinux_unix_accept(listener.descriptor)
        guard descriptor >= 0 else { return }
        var peer = ControlPeer(uid: .max, pid: 0)
        guard clinux_unix_peer(descriptor, &peer.uid, &peer.pid) == 0 else {
          close(descriptor)
          continue
        }
        let nowNs = clinux_monotonic_ns()
        let connection = Connection(
          descriptor: descriptor, peer: peer, output: ControlOutput(bytesMax: limits.outputBytesMax, wakeDescriptor: shared.wakeDescriptor),
          stream: ControlStream(limits: limits, nowNs: nowNs), openedNs: nowNs)
        if peer.uid != geteuid(), peer.uid != 0 {
          refuse(connection, "not-allowed", "this host belongs to uid \(geteuid()); uid \(peer.uid) may not ask it for anything", .notAllowed)
        } else if connections.count >= limits.connectionsMax, !makeRoom() {
          refuse(connection, "busy", "\(connections.count) connections are open, and all have work under way", .failed)
        }
        if connection.isClosing {
          // Nothing is kept for those: what the socket takes at once is all they get.
          _ = connection.output.send(to: descriptor)
          shutdown(descriptor, Int32(SHUT_WR))
          close(descriptor)
        } else {
          connections.append(connection)
        }
      }
    }

    private mutating func makeRoom() -> Bool {
      let idle = connections.indices.filter { !connections[$0].output.isBusy }
      guard let victim = idle.min(by: { connections[$0].openedNs < connections[$1].openedNs }) else { return false }
      end(connections.remove(at: victim))
      return true
    }

    private func refuse(_ connection: Connection, _ code: String, _ text: String, _ exit: ExitCode) {
      connection.output.append(JSONLine.failure(id: 0, GantryError("control.\(code)", text, exit: exit)), isLast: true)
      connection.isClosing = true
    }

    private mutating func serve(_ connection: Connection, _ events: Int32, isStopping: Bool) {
      let nowNs = clinux_monotonic_ns()
      if events & (POLLHUP | POLLERR | POLLNVAL) != 0 { connection.output.close() }
      if events & POLLIN != 0 { read(connection, nowNs) }
      if !isStopping { takeRequests(connection, nowNs) }
      switch connection.output.send(to: connection.descriptor) {
      case .failed: connection.output.close()
      case .some: connection.writingSinceNs = nowNs
      case .nothing: break
      }
      if connection.output.isEmpty {
        connection.writingSinceNs = nil
      } else if connection.writingSinceNs == nil {
        connection.writingSinceNs = nowNs
      }
    }

    private func read(_ connection: Connection, _ nowNs: Int64) {
      withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 16) { buffer in
        let count = Glibc.read(connection.descriptor, buffer.baseAddress!, buffer.count)
        if count > 0 {
          connection.stream.received(UnsafeRawBufferPointer(rebasing: buffer[..<count]), nowNs: nowNs)
        } else if count == 0 || errno != EAGAIN && errno != EINTR {
          connection.stream.endReceived()
        }
      }
    }

    private mutating func takeRequests(_ connection: Connection, _ nowNs: Int64) {
      while !connection.output.isBusy, !connection.isClosing, !connection.output.isGone {
        switch connection.stream.next(nowNs: nowNs) {
        case .wait: return
        case .ended: connection.isClosing = true
        case .tooLong:
          refuse(connection, "line-too-long", "a request is a line of at most \(ControlRequest.bytesMax) bytes", .usage)
        case .line(let line):
          do throws(ControlRequest.Refusal) {
            begin(try ControlRequest(line: line), connection)
          } catch {
            let failure = GantryError([error.diagnostic], .usage)
            connection.output.append(JSONLine.failure(id: error.id, failure), isLast: true)
          }
        }
      }
    }

    private mutating func begin(_ request: ControlRequest, _ connection: Connection) {
      let reply = ControlReply(id: request.id, output: connection.output)
      connection.output.begin()
      guard request.verb.isLong else { return handler(request, connection.peer, reply) }
      guard tasks.count < Self.tasksMax else {
        return reply.failed(GantryError("control.busy", "\(tasks.count) long requests are under way; try again", exit: .failed))
      }
      let task = Task()
      let handler = handler
      let peer = connection.peer
      let wake = shared.wakeDescriptor
      do throws(GantryError) {
        let worker = try Worker(name: "control:\(request.verb.rawValue)") {
          handler(request, peer, reply)
          task.isDone.store(true, ordering: .releasing)
          clinux_event_signal(wake)
        }
        tasks.append((task, worker))
      } catch { reply.failed(error) }
    }

    /// Closes what is at its end, and joins threads that are.
    private mutating func sweep() {
      let nowNs = clinux_monotonic_ns()
      let late = connections.filter { connection in
        let isLate = nowNs >= connection.stream.deadlineNs(isBusy: connection.output.isBusy, writingSinceNs: connection.writingSinceNs)
        let isFinished = connection.isClosing && connection.output.isEmpty && !connection.output.isBusy
        return isLate || isFinished || connection.output.isGone
      }
      for connection in late { end(connection) }
      connections.removeAll { connection in late.contains { $0 === connection } }
      tasks.removeAll { task, worker in
        guard task.isDone.load(ordering: .acquiring) else { return false }
        worker.join()
        return true
      }
    }

    private func end(_ connection: Connection) {
      connection.output.close()
      close(connection.descriptor)
    }
  }
}
