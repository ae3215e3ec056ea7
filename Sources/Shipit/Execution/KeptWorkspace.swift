import ArtifactKit
import CLinux
import Glibc

/// The workspace of an app's last successful build, kept for the next one to patch; one per app.
///
/// It has its name only while it is whole and nobody's: a build takes it by a rename to its own name, and whatever
/// happens to that build, nobody takes it for whole again. Its index lies where no build can write.
struct KeptWorkspace: Sendable {
    let home: Home
    let app: String

    static let prefix = "kept-"
    /// Unused for longer, it is not worth its space.
    static let days: Int64 = 7

    var path: String { "\(home.work)/\(Self.prefix)\(app)" }
    private var folder: String { home.caches(app) }
    private var index: String { "\(folder)/\(Self.record)" }
    private static let record = "workspace"

    static func isRecord(_ name: String) -> Bool { name == record }

    /// Whether this name among the workspaces is one that waits for its next build.
    static func isKept(_ name: String, _ home: Home) -> Bool {
        guard name.hasPrefix(prefix) else { return false }
        let kept = KeptWorkspace(home: home, app: String(name.dropFirst(prefix.count)))
        return Name.isValid(kept.app) && FileSystem.exists(kept.index) && FileSystem.exists(kept.path)
    }

    /// Whether any build could have it, as far as can be said now.
    var mayServe: Bool {
        // One whose index cannot be read serves nobody.
        guard let index = try? WorkspaceIndex(at: index) else { return false }
        return index.head.boot == Boot.id && !isOld(index.head)
    }

    private func isOld(_ head: WorkspaceIndex.Head) -> Bool {
        Timestamp.now.milliseconds - head.at.milliseconds > Self.days * 86_400_000
    }

    // MARK: Taking

    /// Gives the workspace this path, and what is in it; an error says why it is not to be had.
    func take(to path: String, under wanted: WorkspaceIndex.Head) throws -> WorkspaceIndex {
        guard FileSystem.exists(self.path), let index = try WorkspaceIndex(at: index) else {
            throw ShipitError(.unavailable, "no successful build has left one")
        }
        guard rename(self.path, path) == 0 else {
            throw ShipitError(.unavailable, "the last one cannot be taken: \(systemReason(errno))")
        }
        unlink(self.index)
        if let reason = doubt(index.head, path, wanted) { throw ShipitError(.unavailable, reason) }
        try Failpoint.workspaceTaken.reach()
        return index
    }

    private func doubt(_ head: WorkspaceIndex.Head, _ path: String, _ wanted: WorkspaceIndex.Head) -> String? {
        if head.boot != wanted.boot { return "the machine was started since run \(head.run)" }
        if head.user != wanted.user { return "builds run as another user since run \(head.run)" }
        if head.isEnclosed != wanted.isEnclosed {
            return "run \(head.run) was \(head.isEnclosed ? "" : "not ")enclosed"
        }
        if head.policy != wanted.policy { return "the policy was changed since run \(head.run)" }
        if isOld(head) { return "run \(head.run) was more than \(Self.days) days ago" }
        if inode(of: path) != head.inode { return "it is not that of run \(head.run)" }
        return nil
    }

    private func inode(of path: String) -> UInt64 { FileSystem.linkStatus(path).map { UInt64($0.st_ino) } ?? 0 }

    // MARK: Keeping

    /// Notes how the revision lies in a workspace; from here on whatever changes there has other stamps.
    func note(_ export: Export, in workspace: Workspace, _ head: WorkspaceIndex.Head, mark: String) throws {
        let folder = try Directory(creating: folder, mode: 0o700)
        let name = noteName(mark)
        Workspaces.remove("\(self.folder)/\(name)")
        var head = head
        head.inode = inode(of: workspace.path)
        try WorkspaceIndex.write(head, export.entries, in: Directory(path: workspace.source), to: folder, name)
        _ = try Directory(path: workspace.path).clockTick()
    }

    private func noteName(_ mark: String) -> String { "index-\(mark)" }

    /// Keeps the workspace of a successful build for the next one.
    func keep(_ workspace: Workspace, mark: String) throws {
        remove()
        // What the build's shell left there has secrets in it.
        Workspaces.remove(workspace.control)
        Workspaces.remove(workspace.temporary)
        try Failpoint.workspaceBeforeKept.reach()
        for (from, to) in [("\(folder)/\(noteName(mark))", index), (workspace.path, path)] {
            guard rename(from, to) == 0 else {
                throw ShipitError(.failure, "could not rename \(from): \(systemReason(errno))")
            }
        }
    }

    /// Forgets what a build noted that did not succeed.
    func forget(mark: String) { unlink("\(folder)/\(noteName(mark))") }

    func remove() {
        unlink(index)
        Workspaces.remove(path)
    }
}
