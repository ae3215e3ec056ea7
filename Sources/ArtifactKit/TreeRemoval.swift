import CLinux
import Glibc

extension Directory {
    /// Removes a folder and everything in it; nothing happens if there is none.
    ///
    /// Links are removed, never followed, and a mounted file system is left alone. What could not be removed is
    /// reported, and the rest is gone. `check` is asked before each folder, and may throw to end it.
    public func removeTree(_ name: [UInt8], check: () throws -> Void = {}) throws {
        guard let status = try metadata(name) else { return }
        guard status.kind == .directory else { return try remove(name) }
        let above = try name.parent.map { try open(Array($0)) } ?? self
        let removal = TreeRemoval(of: Array(name.lastComponent), in: above)
        try removal.run(check)
    }
}

/// Walks down and up through one tree with one open folder at a time, however deep the tree is.
private final class TreeRemoval {
    /// A folder we are in, and which of the folders in it are still to be visited.
    private struct Level {
        let name: [UInt8]
        let device: UInt64
        let inode: UInt64
        var folders: [[UInt8]] = []
        var isDone = false
        var passes = 0
    }

    private let above: Directory
    private let top: [UInt8]
    private var current: Descriptor
    private var levels: [Level] = []
    private var leftovers: [(path: [UInt8], reason: String)] = []
    private var leftoverCount = 0

    init(of name: [UInt8], in above: Directory) {
        self.above = above
        top = name
        current = above.handle
    }

    func run(_ check: () throws -> Void) throws {
        enter(top)
        while !levels.isEmpty {
            try check()
            if let folder = levels[levels.count - 1].folders.popLast() {
                enter(folder)
            } else if levels[levels.count - 1].isDone {
                try leave()
            } else {
                clear()
            }
        }
        guard let first = leftovers.first else { return }
        let others = leftoverCount > 1 ? ", and \(leftoverCount - 1) more" : ""
        throw ArtifactError(
            .leftovers, what: "remove", path: above.shown(top),
            reason: "\(visible(first.path)) remains: \(first.reason)\(others)")
    }

    private func enter(_ name: [UInt8]) {
        do {
            let folder = try open(name)
            let status = try folder.status()
            if status.mode & 0o700 != 0o700 {
                // Without these bits nobody but root can empty it. Should this fail, emptying says why.
                _ = fchmod(folder.number, 0o700)
            }
            levels.append(Level(name: name, device: status.device, inode: status.inode))
            current = folder
        } catch {
            keep(name, error)
        }
    }

    /// Never through a link, and never into another file system, not even the same one mounted twice.
    private func open(_ name: [UInt8]) throws(SystemFailure) -> Descriptor {
        do { return try open(name, O_RDONLY) } catch {
            guard error.number == EACCES else { throw error }
            // A folder of ours that we may not read: chmod through the descriptor cannot be led astray by a link.
            let folder = try open(name, O_PATH)
            guard chmod("/proc/self/fd/\(folder.number)", 0o700) == 0 else { throw error }
            return try open(name, O_RDONLY)
        }
    }

    private func open(_ name: [UInt8], _ flags: Int32) throws(SystemFailure) -> Descriptor {
        let flags = UInt64(UInt32(bitPattern: flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
        let resolve = LINUX_RESOLVE_BENEATH | LINUX_RESOLVE_NO_SYMLINKS | LINUX_RESOLVE_NO_XDEV
        let number = name.withCPath { name in retrying { linux_openat2(current.number, name, flags, 0, resolve) } }
        guard number >= 0 else { throw SystemFailure(number: errno) }
        return Descriptor(number)
    }

    /// Removes what is no folder, and notes the folders.
    private func clear() {
        let index = levels.count - 1
        levels[index].isDone = true
        levels[index].passes += 1
        do {
            let listing = try Listing(of: current.number)
            while let entry = try listing.next() {
                if entry.kind == .directory {
                    levels[index].folders.append(entry.name)
                } else if entry.name.withCPath({ unlinkat(current.number, $0, 0) }) != 0, errno != ENOENT {
                    keep(entry.name, SystemFailure(number: errno))
                }
            }
        } catch {
            keep([], error)
        }
    }

    /// Goes up and removes the folder it was in, after making sure that up is where it came from.
    private func leave() throws {
        let level = levels.removeLast()
        if let parent = levels.last {
            let number = openat(current.number, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard number >= 0 else { throw failure(SystemFailure(number: errno), level) }
            current = Descriptor(number)
            let status: Status
            do { status = try current.status() } catch { throw failure(error, level) }
            guard status.device == parent.device, status.inode == parent.inode else {
                throw ArtifactError(
                    .leftovers, what: "remove", path: above.shown(top), reason: "it was moved while it was removed")
            }
        } else {
            current = above.handle
        }
        guard level.name.withCPath({ unlinkat(current.number, $0, AT_REMOVEDIR) }) != 0, errno != ENOENT else { return }
        let failure = SystemFailure(number: errno)
        if failure.number == ENOTEMPTY || failure.number == EEXIST {
            // Something arrived meanwhile, or the file system left names out while others went.
            if leftoverCount == 0, level.passes < 8 { return again(level) }
            if leftoverCount > 0 { return }
        }
        keep(level.name, failure)
    }

    private func again(_ level: Level) {
        let depth = levels.count
        enter(level.name)
        if levels.count > depth { levels[depth].passes = level.passes }
    }

    private func keep(_ name: [UInt8], _ failure: SystemFailure) {
        leftoverCount += 1
        guard leftovers.isEmpty else { return }
        let path = (levels.map(\.name) + [name]).filter { !$0.isEmpty }.joined(separator: [UInt8(ascii: "/")])
        leftovers.append((Array(path), ArtifactError.reason(of: failure.number)))
    }

    private func failure(_ failure: SystemFailure, _ level: Level) -> ArtifactError {
        failure.named("remove", above.shown(top) + " from inside " + visible(level.name))
    }
}
