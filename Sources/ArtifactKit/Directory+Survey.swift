import CLinux
import Glibc

/// How much a tree holds, and when anything of it changed last.
public struct Survey: Hashable, Sendable {
    public var bytes: Int64 = 0
    public var entries = 0
    /// The latest change of anything in it, by the file system's clock in nanoseconds; nobody can set it.
    public var changed: Int64 = .min

    public init() {}
}

extension Directory {
    /// Looks at a file, a link, or a folder and everything below it; more than `limit` entries are an error.
    public func survey(_ path: [UInt8], limit: Int) throws -> Survey {
        guard let status = try metadata(path) else { throw failure(ENOENT, "look at", path) }
        var survey = Survey()
        survey.add(status)
        var folders = status.kind == .directory ? [path] : []
        while let folder = folders.popLast() {
            let directory = try open(folder)
            for (name, _) in try directory.entries() {
                guard let status = try directory.metadata(name) else { continue }
                survey.add(status)
                guard survey.entries <= limit else {
                    throw ArtifactError(
                        .tooLarge, what: "look at", path: shown(path), reason: "it has more than \(limit) entries")
                }
                if status.kind == .directory { folders.append(folder + [UInt8(ascii: "/")] + name) }
            }
        }
        return survey
    }

    /// Moves below another folder of the same file system; an error when something is there already.
    public func move(_ from: [UInt8], to: [UInt8], in other: Directory) throws {
        try withParent(of: from, what: "move") { oldFolder, oldName in
            try other.withParent(of: to, what: "move to") { newFolder, newName in
                guard linux_renameat2(oldFolder, oldName, newFolder, newName, 1 /* RENAME_NOREPLACE */) == 0 else {
                    let number = errno
                    throw ArtifactError(errno: number, what: "move", path: "\(shown(from)) to \(other.shown(to))")
                }
            }
        }
    }

    /// The file system's clock now, at a moment after everything that was changed before.
    ///
    /// Files are stamped with a clock that stands still for some milliseconds; this waits until it has moved on.
    public func clockTick() throws -> Int64 {
        let first = try stamp()
        for _ in 0..<2000 {
            let now = try stamp()
            // A clock that was set back counts as moved too; whoever compares finds everything changed then.
            if now != first { return min(now, first + 1) }
            usleep(1000)
        }
        throw ArtifactError(.differs, what: "read the clock of", path: path, reason: "it stands still")
    }

    private func stamp() throws -> Int64 {
        let name = Self.asidePrefix + Array(String(UInt64.random(in: 0 ... .max), radix: 16).utf8)
        let file = try createFile(name, mode: 0o600)
        let changed = try file.status().changed
        try file.close()
        try remove(name)
        return changed
    }
}

extension Survey {
    fileprivate mutating func add(_ status: Status) {
        entries += 1
        // A file with holes counts with them: that is what a copy of it may take.
        bytes += status.kind == .file ? status.size : 0
        changed = max(changed, status.changed)
    }
}
