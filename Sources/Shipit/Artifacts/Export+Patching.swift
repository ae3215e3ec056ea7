import ArtifactKit
import GitKit

/// What became of a workspace that was brought to another revision.
struct PatchSummary: Hashable, Sendable {
    var written = 0
    var removed = 0
}

extension Export {
    /// Makes a folder that holds an earlier revision, and what a build did to it, hold this one.
    ///
    /// Both revisions are compared as they are exported, entry by entry. What only the build made stays, unless it is in
    /// the way; what git has is as git has it afterwards. After an error the folder is neither the one nor the other.
    func patch(_ directory: Directory, from index: WorkspaceIndex, for user: User?) throws -> PatchSummary {
        var summary = PatchSummary()
        var gone: [TreeEntry] = []
        try index.compare(with: entries) { old, new in
            if let old, new == nil { gone.append(old.entry) }
        }
        for entry in gone.reversed() {
            if try remove(entry, in: directory) { summary.removed += 1 }
        }
        try index.compare(with: entries) { old, new in
            guard let new else { return }
            if try put(new, old, in: directory, for: user) { summary.written += 1 }
        }
        return summary
    }

    /// A folder goes when nothing of the build is in it; what stands in the place of a file is the build's.
    private func remove(_ entry: TreeEntry, in directory: Directory) throws -> Bool {
        do {
            guard let kind = try directory.metadata(entry.path)?.kind else { return false }
            if entry.kind == .directory || entry.kind == .submodule {
                guard kind == .directory, try directory.open(entry.path).entries().isEmpty else { return false }
                try directory.removeTree(entry.path)
            } else {
                guard kind != .directory else { return false }
                try directory.remove(entry.path)
            }
            return true
        } catch let error as ArtifactError where error.code == .link {
            // The build put a link in the place of a folder above it, so it is gone.
            return false
        }
    }

    private func put(
        _ entry: TreeEntry, _ old: WorkspaceIndex.Line?, in directory: Directory, for user: User?
    ) throws -> Bool {
        let status = try directory.metadata(entry.path)
        if entry.kind == .directory || entry.kind == .submodule {
            if let status, status.kind == .directory {
                return try directory.putRight(entry.path, status, mode: 0o755, for: user)
            }
        } else if let status, let old, old.entry == entry, old.stamp == WorkspaceIndex.Stamp(status) {
            return false
        }
        if status != nil { try directory.removeTree(entry.path) }
        try write(entry, into: directory, for: user)
        return true
    }

    private func write(_ entry: TreeEntry, into directory: Directory, for user: User?) throws {
        switch entry.kind {
        case .directory, .submodule: try directory.makeDirectory(entry.path)
        case .link: try directory.createLink(entry.path, target: try repository.linkTarget(entry))
        case .file, .executable:
            let (_, read) = try repository.file(entry)
            let writer = try directory.createFile(entry.path, mode: entry.kind == .executable ? 0o755 : 0o644)
            try read { try writer.write($0) }
            try writer.close()
        }
        if let user, entry.kind != .link { try directory.give(entry.path, to: user) }
    }
}

extension Directory {
    /// Resets what a build may have done to a folder; true when there was something.
    fileprivate func putRight(
        _ path: [UInt8], _ status: ArtifactKit.Status, mode: UInt16, for user: User?
    ) throws -> Bool {
        guard status.mode != mode || status.owner != user?.uid ?? status.owner else { return false }
        try setMode(path, mode)
        if let user { try give(path, to: user) }
        return true
    }
}
