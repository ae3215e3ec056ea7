import CLinux
import Glibc
import Synchronization

/// Waits for something to happen in a home: a push in the spool, a commit to the ledger by anybody, or a wake from within.
final class Watch: Sendable {
    private let notify: Int32
    private let signal: StopSignal
    /// How many looks there were since the last sign of a change.
    private let looks = Mutex(0)

    /// A commit can be read a little after the write that wakes us, and that it can be read gives no sign of its own:
    /// so whoever waits looks again after these milliseconds.
    private static let again: [Int32] = [2, 5, 10, 20, 50, 100, 200]

    init(_ home: Home) throws {
        signal = try StopSignal()
        notify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard notify >= 0 else { throw ShipitError(.failure, "could not watch \(home.path): \(systemReason(errno))") }
        // Commits of every process go through the write-ahead log, which lies in the home's folder.
        let ledger = inotify_add_watch(notify, home.path, UInt32(IN_MODIFY | IN_CREATE | IN_MOVED_TO))
        let spool = inotify_add_watch(notify, home.spool, UInt32(IN_MOVED_TO | IN_CREATE | IN_MOVED_FROM))
        guard ledger >= 0, spool >= 0 else {
            let code = errno
            close(notify)
            throw ShipitError(.failure, "could not watch \(home.path): \(systemReason(code))")
        }
    }

    deinit { close(notify) }

    /// Ends the wait that is under way, or the next one.
    func wake() { signal.raise() }

    /// Returns when something happened, or after `limit`.
    func wait(_ limit: Duration) async {
        let (notify, signal) = (notify, signal.descriptor)
        let look = looks.withLock { looks in
            defer { looks += 1 }
            return looks
        }
        var milliseconds = Int32(clamping: Int64((limit.inSeconds * 1000).rounded(.up)))
        if Self.again.indices.contains(look) { milliseconds = min(milliseconds, Self.again[look]) }
        let isChanged = await Self.poll(notify, signal, max(0, milliseconds))
        if isChanged { looks.withLock { $0 = 0 } }
    }

    private static func poll(_ notify: Int32, _ signal: Int32, _ milliseconds: Int32) async -> Bool {
        await onThread {
            var polls = [
                pollfd(fd: notify, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signal, events: Int16(POLLIN), revents: 0),
            ]
            guard Glibc.poll(&polls, 2, milliseconds) > 0 else { return false }
            var buffer = [UInt8](repeating: 0, count: 8192)
            while read(notify, &buffer, buffer.count) > 0 {}
            var count: UInt64 = 0
            _ = read(signal, &count, 8)
            return true
        }
    }
}
