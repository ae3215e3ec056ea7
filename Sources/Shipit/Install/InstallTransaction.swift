import ArtifactKit
import CLinux
import Glibc

/// Carries out a plan so that the old files are there or the new ones: staged first, journalled, then renamed.
///
/// Runs one at a time for a group, which whoever calls sees to. What it leaves behind when it is killed is put right by
/// ``recover(in:of:at:)``.
struct InstallTransaction {
    let plan: InstallPlan
    let bundle: InstallRoot
    let root: InstallRoot
    /// The folder of the cleanup list and of the journal.
    let state: Directory
    let group: String
    /// Part of the names aside, so that two groups do not meet.
    let id: String
    /// What the group's own file says from then on: whose scripts stop what is installed now.
    let lastSuccessful: String
    /// Of folders that are made; nil for ourselves.
    var owner: Owner?

    private let removedFolders: Set<[UInt8]>
    private let newFolders: Set<[UInt8]>
    let changes: [[UInt8]: InstallPlan.Change]

    init(
        _ plan: InstallPlan, from bundle: InstallRoot, to root: InstallRoot, state: Directory, group: String,
        id: String,
        lastSuccessful: String
    ) {
        self.plan = plan
        self.bundle = bundle
        self.root = root
        self.state = state
        self.group = group
        self.id = id
        self.lastSuccessful = lastSuccessful
        removedFolders = Set(plan.removals.filter(\.isFolder).map(\.path))
        newFolders = Set(plan.folders)
        changes = Dictionary(plan.changes.map { ($0.path, $0) }) { $1 }
    }

    /// Returns when what is installed is on the disk; throws when everything is as it was before. `check` is asked between
    /// steps whether to go on. Gives what is worth knowing.
    func run(check: () throws -> Void = {}) async throws -> [String] {
        do {
            try await begin(check)
        } catch {
            let remarks: [String]
            do {
                remarks = try Self.recover(in: state, of: group, at: root)
            } catch let trouble {
                throw ShipitError(.failure, "\(error); and putting back failed: \(trouble)")
            }
            guard remarks.isEmpty else { throw ShipitError(.failure, "\(error); \(remarks.joined(separator: "; "))") }
            throw error
        }
        try Failpoint.installDone.reach()
        do {
            return try Self.recover(in: state, of: group, at: root)
        } catch {
            return ["what was there before is still aside: \(error)"]
        }
    }

    /// Leaves the rest, whether it comes to its end or not, to ``recover(in:of:at:)``. `step` is called before each change.
    func begin(_ step: () throws -> Void = {}) async throws {
        try await apply(step)
        try Failpoint.installExchanged.reach()
        try step()
        try Self.commit(in: state, of: group)
    }

    /// From here on ``recover(in:of:at:)`` keeps what is new, and removes what was there before.
    static func commit(in state: Directory, of group: String) throws {
        let files = Files(group)
        guard try state.metadata(files.journal) != nil else { return }
        try state.rename(files.journal, to: files.done)
        try state.sync()
    }

    /// Everything is in its place, and what was there before is aside until ``commit(in:of:)``.
    func apply(_ step: () throws -> Void = {}) async throws {
        let journal = try prepareJournal()
        let files = Files(group)
        try state.writeAtomically(files.staging, journal.bytes)
        for (number, copy) in plan.copies.enumerated() {
            try step()
            try await stage(copy, at: aside(copy.destination, "new", number))
        }
        try Self.syncDevices(journal, root)
        try Failpoint.installStaged.reach()
        for (name, former) in files.records { try state.writeAtomically(former, try state.readIfThere(name) ?? []) }
        try step()
        try state.rename(files.staging, to: files.journal)
        try state.sync()
        try Failpoint.installJournalled.reach()
        try exchange(journal, step)
        try step()
        try await changeFolders()
        try await tellContexts()
        try step()
        try state.writeAtomically(files.cleanup, plan.cleanup.bytes(below: root.path))
        try state.writeAtomically(files.lastSuccessful, Array(lastSuccessful.utf8))
        try Self.syncDevices(journal, root)
    }

    // MARK: What is aside

    /// The nearest folder above that is there before and after.
    private func holder(of path: [UInt8]) -> [UInt8] {
        path.foldersAbove.last { !removedFolders.contains($0) && !newFolders.contains($0) } ?? []
    }

    private func aside(_ path: [UInt8], _ kind: String, _ number: Int) -> [UInt8] {
        holder(of: path).joined(Array(".shipit-\(id)-\(kind)\(number)".utf8))
    }

    private func prepareJournal() throws -> InstallJournal {
        var steps: [InstallJournal.Step] = []
        for (number, removal) in plan.removals.enumerated() {
            guard let status = try root.status(removal.path, following: false) else { continue }
            steps.append(
                removal.isFolder
                    ? .removed(removal.path, mode: status.st_mode & 0o7777, uid: status.st_uid, gid: status.st_gid)
                    : .old(removal.path, aside: aside(removal.path, "old", number)))
        }
        for (number, copy) in plan.copies.enumerated() where copy.replaces {
            steps.append(.old(copy.destination, aside: aside(copy.destination, "was", number)))
        }
        steps += plan.folders.map { .made($0) }
        for (number, copy) in plan.copies.enumerated() {
            steps.append(.new(copy.destination, aside: aside(copy.destination, "new", number)))
        }
        return InstallJournal(steps: steps)
    }

    // MARK: Staging

    /// Fills a folder that nobody sees yet, where nothing has to be put back. New folders are `owner`'s.
    func fill() async throws {
        for folder in plan.folders {
            try root.withParent(of: folder, "make") { parent, name in
                guard mkdirat(parent, name, 0o755) == 0, fchmodat(parent, name, 0o755, 0) == 0 else {
                    throw root.failure("make", folder)
                }
                guard let owner else { return }
                guard fchownat(parent, name, owner.user, owner.group, AT_SYMLINK_NOFOLLOW) == 0 else {
                    throw root.failure("set the owner of", folder)
                }
            }
        }
        for copy in plan.copies { try await stage(copy, at: copy.destination) }
        try await changeFolders()
    }

    /// A copy with the mode, times and owner of its source, and what the permissions make of them.
    private func stage(_ copy: InstallPlan.Copy, at place: [UInt8]) async throws {
        guard !copy.isLink else {
            let target = try bundle.link(copy.source).map { CChar(bitPattern: $0) }
            return try root.withParent(of: place, "write") { folder, name in
                guard symlinkat(target + [0], folder, name) == 0 else { throw root.failure("write", copy.destination) }
            }
        }
        let file = try root.withParent(of: place, "write") { folder, name in
            let file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw root.failure("write", copy.destination) }
            return file
        }
        defer { close(file) }
        try fill(file, copy)
        if let change = changes[copy.recorded] { try await apply(change, to: file) }
    }

    private func fill(_ file: Int32, _ copy: InstallPlan.Copy) throws {
        // A pipe that a script put there meanwhile must not be waited for.
        let from = try bundle.openFile(copy.source, O_RDONLY | O_NONBLOCK, what: "read")
        defer { close(from) }
        var status = stat()
        guard fstat(from, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw bundle.failure("read", copy.source, EINVAL)
        }
        guard linux_copy_file(from, file) >= 0 else { throw root.failure("write", copy.destination) }
        var mode = status.st_mode & 0o7777
        // Set-user-id of somebody else than the owner is a gift to everybody.
        if geteuid() == 0, fchown(file, status.st_uid, status.st_gid) != 0 { mode &= 0o777 }
        guard fchmod(file, mode) == 0, linux_copy_times(from, file) == 0 else {
            throw root.failure("write", copy.destination)
        }
    }

    // MARK: The exchange

    /// Nothing but renames and folders, so that it is short.
    private func exchange(_ journal: InstallJournal, _ step: () throws -> Void) throws {
        for case .old(let path, let aside) in journal.steps {
            try step()
            // What has gone meanwhile need not go.
            if try root.status(path, following: false) != nil { try Self.move(path, to: aside, in: root) }
        }
        for case .removed(let path, _, _, _) in journal.steps {
            try step()
            try root.withParent(of: path, "remove") { folder, name in
                // Somebody put something into it: it stays, as it does with the agent.
                guard unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY || errno == EEXIST else {
                    throw root.failure("remove", path)
                }
            }
        }
        for case .made(let path) in journal.steps {
            try step()
            try root.withParent(of: path, "make") { folder, name in
                if mkdirat(folder, name, 0o777) == 0 {
                    guard let owner else { return }
                    guard fchownat(folder, name, owner.user, owner.group, AT_SYMLINK_NOFOLLOW) == 0 else {
                        throw root.failure("set the owner of", path)
                    }
                    return
                }
                // One that could not go since somebody put something into it does as well.
                guard try errno == EEXIST && removedFolders.contains(path) && root.isFolder(path) else {
                    throw root.failure("make", path, EEXIST)
                }
            }
        }
        for case .new(let path, let aside) in journal.steps {
            try step()
            try Self.move(aside, to: path, in: root)
        }
    }

    /// Never over something that appeared meanwhile.
    static func move(_ path: [UInt8], to new: [UInt8], in root: InstallRoot) throws {
        try root.withParent(of: path, "move") { from, name in
            try root.withParent(of: new, "write") { to, newName in
                let noReplace: UInt32 = 1
                if linux_renameat2(from, name, to, newName, noReplace) == 0 { return }
                // Some file systems do not know how; a second name is not given over a first either.
                guard errno == EINVAL, linkat(from, name, to, newName, 0) == 0, unlinkat(from, name, 0) == 0 else {
                    throw root.failure("write", new)
                }
            }
        }
    }

    /// Everything that was named, removed or written, on whatever disks.
    static func syncDevices(_ journal: InstallJournal, _ root: InstallRoot) throws {
        var folders: Set<[UInt8]> = []
        for step in journal.steps {
            switch step {
            case .new(_, let aside), .old(_, let aside): folders.insert(aside.splitAtLastSlash.above)
            case .made(let path), .removed(let path, _, _, _): folders.insert(path.splitAtLastSlash.above)
            }
        }
        var seen: Set<UInt64> = []
        for folder in folders where try root.isFolder(folder) {
            let descriptor = try root.openFile(folder, O_RDONLY | O_DIRECTORY, what: "sync")
            defer { close(descriptor) }
            var status = stat()
            guard fstat(descriptor, &status) == 0, seen.insert(UInt64(status.st_dev)).inserted else { continue }
            guard linux_syncfs(descriptor) == 0 else { throw root.failure("sync", folder) }
        }
    }
}
