import CLinux
import Glibc
import Synchronization

/// Notices by inotify that references of repositories moved, whoever moved them.
///
/// It only says where to look: what moved, the comparison finds. What it misses, the comparison that comes anyway finds.
final class ReferenceWatch: Sendable {
    /// A push moves several files, and its hook explains it a moment later: all of that is one look.
    static let pause: Duration = .seconds(1)
    /// Watches are few on some machines, and others want some too.
    static let limit = 4096

    private let notify: Int32
    private let stop: StopSignal
    private let log: @Sendable (String) -> Void
    private let state = Mutex(State())

    private struct State {
        /// Apps by the watch that tells of their repository.
        var watches: [Int32: Set<String>] = [:]
        var changed: Set<String> = []
        /// Some folders are not watched, which was said.
        var isIncomplete = false
    }

    /// Nil where the machine has no watches left, which is said: then references are only compared now and then.
    static func begin(log: @escaping @Sendable (String) -> Void) -> ReferenceWatch? {
        do {
            return try ReferenceWatch(log: log)
        } catch {
            log("\(error); references are compared every half minute instead")
            return nil
        }
    }

    init(log: @escaping @Sendable (String) -> Void) throws {
        stop = try StopSignal()
        notify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard notify >= 0 else {
            throw ShipitError(.failure, "could not watch the repositories: \(systemReason(errno))")
        }
        self.log = log
    }

    deinit { close(notify) }

    /// Apps whose repositories changed since this was asked last.
    func takeChanges() -> Set<String> {
        state.withLock { state in
            defer { state.changed = [] }
            return state.changed
        }
    }

    /// Brings the watches to the folders that are there now, before the repositories are looked at: what changes after
    /// that is told of. `repositories`: paths by app.
    func follow(_ repositories: [String: String]) {
        var apps: [String: Set<String>] = [:]
        for (app, path) in repositories {
            for folder in Self.folders(ofRepository: path) { apps[folder, default: []].insert(app) }
        }
        let problem = state.withLock { state -> String? in
            var watches: [Int32: Set<String>] = [:]
            var problem = apps.count > Self.limit ? "there are more than \(Self.limit) folders of references" : nil
            for (folder, names) in apps.sorted(by: { $0.key.utf8.count < $1.key.utf8.count }).prefix(Self.limit) {
                let watch = inotify_add_watch(notify, folder, Self.mask)
                if watch >= 0 {
                    watches[watch, default: []].formUnion(names)
                } else if errno != ENOENT, errno != ENOTDIR {
                    problem = "\(visibleLine(folder)): \(systemReason(errno))"
                }
            }
            for old in state.watches.keys where watches[old] == nil { inotify_rm_watch(notify, old) }
            state.watches = watches
            defer { state.isIncomplete = problem != nil }
            return state.isIncomplete ? nil : problem
        }
        if let problem {
            log("not all references can be watched, and are compared every half minute instead: \(problem)")
        }
    }

    /// Runs until the task is cancelled; `wake` is called when there are changes to take.
    func run(_ wake: @escaping @Sendable () -> Void) async {
        await withTaskCancellationHandler {
            await onThread { [self] in
                while wait() {
                    let apps = read()
                    guard !apps.isEmpty else { continue }
                    guard !isStopped(within: Self.pause) else { return }
                    let more = read()
                    state.withLock { $0.changed.formUnion(apps.union(more)) }
                    wake()
                }
            }
        } onCancel: {
            stop.raise()
        }
    }

    // MARK: Folders

    private static let mask =
        UInt32(
            IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF)
        | UInt32(IN_ONLYDIR)

    private static func folders(ofRepository path: String) -> [String] {
        guard FileSystem.isFolder(path) else {
            // It may be made again: the folder that it was in tells.
            guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return [] }
            return [String(path[..<slash])]
        }
        let inner = "\(path)/.git"
        let own = FileSystem.isFolder(inner) ? inner : path
        return [own, "\(own)/refs", "\(own)/reftable"].filter(FileSystem.isFolder) + folders(in: own)
    }

    /// Where the files of branches and tags are.
    static func folders(in repository: String) -> [String] {
        var found: [String] = []
        var open = ["\(repository)/refs/heads", "\(repository)/refs/tags"]
        while let folder = open.popLast(), found.count <= limit {
            guard let status = FileSystem.linkStatus(folder), status.st_mode & S_IFMT == S_IFDIR else { continue }
            found.append(folder)
            // Links count 2 and one for each folder in it; where they do not, 1 stands for not knowing.
            if status.st_nlink == 2 { continue }
            open += FileSystem.names(in: folder).map { "\(folder)/\($0)" }
        }
        return found
    }

    // MARK: Events

    /// False when told to stop.
    private func wait() -> Bool {
        var polls = [
            pollfd(fd: notify, events: Int16(POLLIN), revents: 0),
            pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&polls, 2, -1) < 0 { guard errno == EINTR else { return false } }
        return polls[1].revents == 0
    }

    private func isStopped(within pause: Duration) -> Bool {
        var polls = [pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0)]
        return poll(&polls, 1, Int32(pause.inSeconds * 1000)) > 0
    }

    /// The apps that the waiting events are about. Objects, configuration and locks are nobody's reference.
    private func read() -> Set<String> {
        var apps: Set<String> = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(notify, &buffer, buffer.count)
            guard count > 0 else { return apps }
            buffer.withUnsafeBytes { bytes in
                var offset = 0
                while offset + 16 <= count {
                    let watch = bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)
                    let mask = bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                    let length = Int(bytes.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
                    let end = min(offset + 16 + length, count)
                    let name = bytes[(offset + 16)..<end].prefix { $0 != 0 }
                    offset += 16 + length
                    if mask & UInt32(IN_Q_OVERFLOW) != 0 {
                        state.withLock { $0.watches.values.forEach { apps.formUnion($0) } }
                    } else if Self.tells(of: Array(name), mask) {
                        apps.formUnion(state.withLock { $0.watches[watch] ?? [] })
                    }
                }
            }
        }
    }

    private static let locks = Array(".lock".utf8)
    /// Files of the repository's own folder that change with every push, and are no references.
    private static let others: Set<[UInt8]> = [
        Array("config".utf8), Array("FETCH_HEAD".utf8), Array("ORIG_HEAD".utf8), Array("gc.pid".utf8),
        Array("gc.log".utf8), Array("objects".utf8), Array("index".utf8), Array("COMMIT_EDITMSG".utf8),
    ]

    private static func tells(of name: [UInt8], _ mask: UInt32) -> Bool {
        if mask & UInt32(IN_IGNORED) != 0 { return false }
        return !name.suffix(locks.count).elementsEqual(locks) && !others.contains(name)
    }
}
