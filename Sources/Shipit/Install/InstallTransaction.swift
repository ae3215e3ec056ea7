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

    private let removedFolders: Set<[UInt8]>
    private let newFolders: Set<[UInt8]>
    private let changes: [[UInt8]: InstallPlan.Change]

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
            do {
                let remarks = try Self.recover(in: state, of: group, at: root)
                guard !remarks.isEmpty else { throw error }
                throw ShipitError(.failure, "\(error)", hint: remarks.joined(separator: "; "))
            } catch let trouble as Trouble {
                throw ShipitError(.failure, "\(error)", hint: "and putting back failed: \(trouble.message)")
            }
        }
        try Failpoint.installDone.reach()
        do {
            return try Self.recover(in: state, of: group, at: root)
        } catch {
            return ["what was there before is still aside: \(error)"]
        }
    }

    /// Something that stands in the way of putting back.
    struct Trouble: Error, CustomStringConvertible {
        let message: String
        var description: String { message }
    }

    /// Leaves the rest, whether it comes to its end or not, to ``recover(in:of:at:)``. `step` is called before each change.
    func begin(_ step: () throws -> Void = {}) async throws {
        let journal = try prepareJournal()
        let files = Files(group)
        try state.writeAtomically(files.staging, journal.bytes)
        for (number, copy) in plan.copies.enumerated() {
            try step()
            try await stage(copy, number)
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
        try Failpoint.installExchanged.reach()
        try step()
        try state.rename(files.journal, to: files.done)
        try state.sync()
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

    /// A copy with the mode, times and owner of its source, and what the permissions make of them.
    private func stage(_ copy: InstallPlan.Copy, _ number: Int) async throws {
        let place = aside(copy.destination, "new", number)
        guard !copy.isLink else {
            let target = try link(copy.source)
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

    private func link(_ source: [UInt8]) throws -> [CChar] {
        try bundle.withParent(of: source, "read") { folder, name in
            var buffer = [CChar](repeating: 0, count: 4097)
            let count = readlinkat(folder, name, &buffer, 4096)
            guard count > 0 else { throw bundle.failure("read", source) }
            return Array(buffer[..<count])
        }
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

    // MARK: Permissions

    /// In the agent's order: mode, access control list, owner (AWS reference 1.4). By descriptor: whoever may write to the
    /// folder could put a link in the place of the name.
    private func apply(_ change: InstallPlan.Change, to file: Int32) async throws {
        if let mode = change.mode, fchmod(file, mode_t(mode)) != 0 {
            throw root.failure("set the mode of", change.path)
        }
        if !change.acls.isEmpty {
            var status = stat()
            guard fstat(file, &status) == 0 else { throw root.failure("look at", change.path) }
            let list = AccessList(change.acls, base: UInt16(status.st_mode & 0o777))
            try await run(
                "setfacl", ["--set", list.description, "--", "/proc/\(getpid())/fd/\(file)"],
                "set the acls of \(root.shown(change.path))")
        }
        if change.owner != nil || change.group != nil {
            let owner = change.owner.flatMap(User.named)?.uid ?? ~0,
                group = change.group.flatMap(Group.named)?.gid ?? ~0
            guard fchown(file, owner, group) == 0 else { throw root.failure("set the owner of", change.path) }
        }
    }

    private func changeFolders() async throws {
        for change in plan.changes where change.isFolder {
            let folder = try root.withParent(of: change.path, "change") { parent, name in
                let folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                guard folder >= 0 else { throw root.failure("change", change.path) }
                return folder
            }
            defer { close(folder) }
            try await apply(change, to: folder)
        }
    }

    private func tellContexts() async throws {
        for path in plan.forgottenContexts where InstallPlanner.program("semanage") != nil {
            // One that is not known any more is forgotten already.
            try? await run("semanage", ["fcontext", "-d", root.absolute(path)], "")
        }
        for change in plan.changes {
            guard let context = change.context else { continue }
            let path = root.absolute(change.path)
            let user = context.user.map { ["-s", $0] } ?? [],
                range = context.range.map { ["-r", $0.description] } ?? []
            let shown = "set the context of \(root.shown(change.path))"
            try await run("semanage", ["fcontext", "-a"] + user + ["-t", context.type] + range + [path], shown)
            try await run("restorecon", ["-vF", path], shown)
        }
    }

    private func run(_ name: String, _ arguments: [String], _ what: String) async throws {
        guard let program = InstallPlanner.program(name) else {
            throw ShipitError(.failure, "could not \(what): there is no program \(name)")
        }
        let (exit, text) = try await Program.output(of: Command(program, arguments))
        guard exit.isSuccess else {
            let reason = text.split(separator: "\n").first.map(String.init) ?? "\(exit)"
            throw ShipitError(.failure, "could not \(what): \(visibleLine(reason))")
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
                if mkdirat(folder, name, 0o777) == 0 { return }
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
    private static func move(_ path: [UInt8], to new: [UInt8], in root: InstallRoot) throws {
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
    private static func syncDevices(_ journal: InstallJournal, _ root: InstallRoot) throws {
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

    // MARK: Afterwards

    struct Files {
        let cleanup: [UInt8]
        let lastSuccessful: [UInt8]
        /// What is written at the end, and the name of what was there before.
        let records: [(name: [UInt8], former: [UInt8])]
        /// The journal, whose name says how far things came.
        let staging: [UInt8]
        let journal: [UInt8]
        let done: [UInt8]

        init(_ group: String) {
            cleanup = Array("\(group)-cleanup".utf8)
            lastSuccessful = Array("\(group)_last_successful_install".utf8)
            records = [cleanup, lastSuccessful].map { ($0, Array(".".utf8) + $0 + Array(".former".utf8)) }
            staging = Array(".\(group)-journal.staging".utf8)
            journal = Array(".\(group)-journal".utf8)
            done = Array(".\(group)-journal.done".utf8)
        }
    }

    /// Puts everything back that an installation did not come to the end of, or removes what one that did left aside.
    ///
    /// Can itself be killed and done again. Gives what could not be put back, since something else is there.
    @discardableResult
    static func recover(in state: Directory, of group: String, at root: InstallRoot) throws -> [String] {
        let files = Files(group)
        var remarks: [String] = []
        if let bytes = try state.readIfThere(files.journal) {
            guard let journal = InstallJournal(parsing: bytes) else {
                throw Trouble(
                    message: "the journal of an unfinished installation in \(state.path) cannot be read; what it moved "
                        + "aside is named .shipit-*-old* and .shipit-*-was*")
            }
            remarks = try putBack(journal, root)
            try Failpoint.installPutBack.reach()
            for (name, former) in files.records where try state.metadata(former) != nil {
                try state.rename(former, to: name)
            }
            try syncDevices(journal, root)
            // All that is new is aside again.
            try state.rename(files.journal, to: files.staging)
            try state.sync()
        }
        if let bytes = try state.readIfThere(files.staging) {
            for case .new(_, let aside) in InstallJournal(parsing: bytes)?.steps ?? [] { try remove(aside, in: root) }
            try state.remove(files.staging)
        }
        if let bytes = try state.readIfThere(files.done) {
            for case .old(_, let aside) in InstallJournal(parsing: bytes)?.steps ?? [] { try remove(aside, in: root) }
            try state.remove(files.done)
        }
        for (_, former) in files.records where try state.metadata(former) != nil { try state.remove(former) }
        return remarks
    }

    /// Removes nothing but empty folders, so that whatever is found on the way is still there the next time.
    private static func putBack(_ journal: InstallJournal, _ root: InstallRoot) throws -> [String] {
        func isThere(_ path: [UInt8]) throws -> Bool { try root.status(path, following: false) != nil }
        let olds = journal.steps.compactMap { step -> ([UInt8], [UInt8])? in
            if case .old(let path, let aside) = step { return (path, aside) }
            return nil
        }
        if let first = olds.first, try !olds.contains(where: { try isThere($0.0) || isThere($0.1) }) {
            throw Trouble(
                message:
                    "nothing of an unfinished installation is there, not even \(root.shown(first.0)); is its disk mounted? If it is, remove the journal .*-journal beside the cleanup list"
            )
        }
        // When the journal got its name all of it was aside: what is not there any more is in place.
        for case .new(let path, let aside) in journal.steps.reversed() where try !isThere(aside) && isThere(path) {
            try move(path, to: aside, in: root)
        }
        for case .made(let path) in journal.steps.reversed() where try isThere(path) {
            try root.withParent(of: path, "remove") { folder, name in
                // What somebody put there meanwhile stays.
                guard unlinkat(folder, name, AT_REMOVEDIR) == 0 || [ENOTEMPTY, EEXIST, ENOTDIR].contains(errno) else {
                    throw root.failure("remove", path)
                }
            }
        }
        for case .removed(let path, let mode, let uid, let gid) in journal.steps.reversed() {
            try root.withParent(of: path, "make") { parent, name in
                guard mkdirat(parent, name, 0o700) == 0 || errno == EEXIST else { throw root.failure("make", path) }
                let folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                // Something else stands there now.
                guard folder >= 0 else { return }
                defer { close(folder) }
                if geteuid() == 0 { fchown(folder, uid, gid) }
                guard fchmod(folder, mode_t(mode)) == 0 else { throw root.failure("set the mode of", path) }
            }
        }
        var remarks: [String] = []
        for (path, aside) in olds.reversed() where try isThere(aside) {
            if try isThere(path) {
                remarks.append("\(root.shown(path)) came back meanwhile, and what it was is \(root.shown(aside))")
            } else {
                try move(aside, to: path, in: root)
            }
        }
        return remarks
    }

    private static func remove(_ path: [UInt8], in root: InstallRoot) throws {
        guard try root.status(path, following: false) != nil else { return }
        try root.withParent(of: path, "remove") { folder, name in
            guard unlinkat(folder, name, 0) == 0 || errno == ENOENT else { throw root.failure("remove", path) }
        }
    }
}

extension Directory {
    fileprivate func readIfThere(_ name: [UInt8]) throws -> [UInt8]? {
        try metadata(name) == nil ? nil : try readFile(name, limit: 1 << 30)
    }
}
