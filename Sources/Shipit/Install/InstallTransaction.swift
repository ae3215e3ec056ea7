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

    private let removedFolders: Set<[UInt8]>
    private let newFolders: Set<[UInt8]>
    private let changes: [[UInt8]: InstallPlan.Change]

    init(
        _ plan: InstallPlan, from bundle: InstallRoot, to root: InstallRoot, state: Directory, group: String, id: String
    ) {
        self.plan = plan
        self.bundle = bundle
        self.root = root
        self.state = state
        self.group = group
        self.id = id
        removedFolders = Set(plan.removals.filter(\.isFolder).map(\.path))
        newFolders = Set(plan.folders)
        changes = Dictionary(plan.changes.map { ($0.path, $0) }) { $1 }
    }

    /// Returns when what is installed is on the disk; throws when everything is as it was before.
    func run() async throws {
        let journal = try prepareJournal()
        let files = Files(group)
        try state.writeAtomically(files.staging, journal.bytes)
        do {
            for (number, copy) in plan.copies.enumerated() { try await stage(copy, number) }
            try syncDevices(journal)
            try Failpoint.installStaged.reach()
            if let former = try state.readIfThere(files.cleanup) { try state.writeAtomically(files.former, former) }
            try state.rename(files.staging, to: files.journal)
            try state.sync()
            try Failpoint.installJournalled.reach()
            try exchange(journal)
            try await changeFolders()
            try await tellContexts()
            try state.writeAtomically(files.cleanup, plan.cleanup.bytes(below: root.path))
            try syncDevices(journal)
            try Failpoint.installExchanged.reach()
            try state.rename(files.journal, to: files.done)
            try state.sync()
        } catch {
            try Self.recover(in: state, of: group, at: root)
            throw error
        }
        try Failpoint.installDone.reach()
        try Self.recover(in: state, of: group, at: root)
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
        if copy.isLink {
            let target = try link(copy.source)
            try root.withParent(of: place, "write") { folder, name in
                guard symlinkat(target + [0], folder, name) == 0 else { throw root.failure("write", copy.destination) }
            }
        } else {
            try stageFile(copy, place)
        }
        if let change = changes[copy.recorded] { try await apply(change, to: place) }
    }

    private func link(_ source: [UInt8]) throws -> [CChar] {
        try bundle.withParent(of: source, "read") { folder, name in
            var buffer = [CChar](repeating: 0, count: 4097)
            let count = readlinkat(folder, name, &buffer, 4096)
            guard count > 0 else { throw bundle.failure("read", source) }
            return Array(buffer[..<count])
        }
    }

    private func stageFile(_ copy: InstallPlan.Copy, _ place: [UInt8]) throws {
        let from = try bundle.openFile(copy.source, O_RDONLY, what: "read")
        defer { close(from) }
        var status = stat()
        guard fstat(from, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw bundle.failure("read", copy.source, EINVAL)
        }
        let to = try root.withParent(of: place, "write") { folder, name in
            let file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            guard file >= 0 else { throw root.failure("write", copy.destination) }
            return file
        }
        defer { close(to) }
        guard linux_copy_file(from, to) >= 0 else { throw root.failure("write", copy.destination) }
        if geteuid() == 0 { fchown(to, status.st_uid, status.st_gid) }
        guard fchmod(to, status.st_mode & 0o7777) == 0, linux_copy_times(from, to) == 0 else {
            throw root.failure("write", copy.destination)
        }
    }

    // MARK: Permissions

    /// In the agent's order: mode, access control list, owner (AWS reference 1.4).
    private func apply(_ change: InstallPlan.Change, to place: [UInt8]) async throws {
        let shown = root.shown(change.path)
        if let mode = change.mode {
            try root.withParent(of: place, "change") { folder, name in
                guard fchmodat(folder, name, mode_t(mode), 0) == 0 else {
                    throw root.failure("set the mode of", change.path)
                }
            }
        }
        if !change.acls.isEmpty {
            let status = try root.status(place, following: true)
            let list = AccessList(change.acls, base: status.map { UInt16($0.st_mode & 0o777) } ?? 0)
            try await run(
                "setfacl", ["--set", list.description, "--", root.absolute(place)], "set the acls of \(shown)")
        }
        if change.owner != nil || change.group != nil {
            let owner = change.owner.flatMap(User.named)?.uid ?? ~0,
                group = change.group.flatMap(Group.named)?.gid ?? ~0
            try root.withParent(of: place, "change") { folder, name in
                guard fchownat(folder, name, owner, group, 0) == 0 else {
                    throw root.failure("set the owner of", change.path)
                }
            }
        }
    }

    private func changeFolders() async throws {
        for change in plan.changes where change.isFolder { try await apply(change, to: change.path) }
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
    private func exchange(_ journal: InstallJournal) throws {
        for case .old(let path, let aside) in journal.steps { try move(path, to: aside) }
        for case .removed(let path, _, _, _) in journal.steps {
            try root.withParent(of: path, "remove") { folder, name in
                // Somebody put something into it: it stays, as it does with the agent.
                guard unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY || errno == EEXIST else {
                    throw root.failure("remove", path)
                }
            }
        }
        for case .made(let path) in journal.steps {
            try root.withParent(of: path, "make") { folder, name in
                guard mkdirat(folder, name, 0o777) == 0 else { throw root.failure("make", path) }
            }
        }
        for case .new(let path, let aside) in journal.steps { try move(aside, to: path) }
    }

    /// Never over something that appeared meanwhile.
    private func move(_ path: [UInt8], to new: [UInt8]) throws {
        try Self.move(path, to: new, in: root)
    }

    private static func move(_ path: [UInt8], to new: [UInt8], in root: InstallRoot) throws {
        try root.withParent(of: path, "move") { from, name in
            try root.withParent(of: new, "write") { to, newName in
                let noReplace: UInt32 = 1
                guard linux_renameat2(from, name, to, newName, noReplace) == 0 else { throw root.failure("write", new) }
            }
        }
    }

    private func syncDevices(_ journal: InstallJournal) throws {
        var seen: Set<UInt64> = []
        for case .new(_, let aside) in journal.steps {
            let folder = try root.openFile(aside.splitAtLastSlash.above, O_RDONLY | O_DIRECTORY, what: "sync")
            defer { close(folder) }
            var status = stat()
            guard fstat(folder, &status) == 0, seen.insert(UInt64(status.st_dev)).inserted else { continue }
            guard linux_syncfs(folder) == 0 else { throw root.failure("sync", aside) }
        }
    }

    // MARK: Afterwards

    struct Files {
        let cleanup: [UInt8]
        /// The list as it was.
        let former: [UInt8]
        /// The journal, whose name says how far things came.
        let staging: [UInt8]
        let journal: [UInt8]
        let done: [UInt8]

        init(_ group: String) {
            cleanup = Array("\(group)-cleanup".utf8)
            former = Array(".\(group)-cleanup.former".utf8)
            staging = Array(".\(group)-journal.staging".utf8)
            journal = Array(".\(group)-journal".utf8)
            done = Array(".\(group)-journal.done".utf8)
        }
    }

    /// Puts everything back that an installation did not come to the end of, or removes what one that did left aside.
    ///
    /// Can itself be killed and done again.
    static func recover(in state: Directory, of group: String, at root: InstallRoot) throws {
        let files = Files(group)
        if let bytes = try state.readIfThere(files.staging) {
            for case .new(_, let aside) in InstallJournal(parsing: bytes)?.steps ?? [] { try remove(aside, in: root) }
            try state.remove(files.staging)
        }
        if let bytes = try state.readIfThere(files.journal) {
            guard let journal = InstallJournal(parsing: bytes) else {
                throw ShipitError(
                    .failure, "the journal of an unfinished installation in \(state.path) cannot be read",
                    hint: "what it moved aside is named .shipit-*-old* and .shipit-*-was*; move it back, then remove it"
                )
            }
            try putBack(journal, root)
            try Failpoint.installPutBack.reach()
            if try state.metadata(files.former) != nil {
                try state.rename(files.former, to: files.cleanup)
            } else if try state.metadata(files.cleanup) != nil {
                try state.remove(files.cleanup)
            }
            try state.sync()
            try state.remove(files.journal)
        }
        if let bytes = try state.readIfThere(files.done) {
            for case .old(_, let aside) in InstallJournal(parsing: bytes)?.steps ?? [] { try remove(aside, in: root) }
            try state.remove(files.done)
        }
        if try state.metadata(files.former) != nil { try state.remove(files.former) }
    }

    private static func putBack(_ journal: InstallJournal, _ root: InstallRoot) throws {
        var moved: [[UInt8]: Bool] = [:]
        for case .old(let path, let aside) in journal.steps {
            moved[path] = try root.status(aside, following: false) != nil
        }
        for case .new(let path, let aside) in journal.steps.reversed() {
            if try root.status(aside, following: false) != nil {
                try remove(aside, in: root)
            } else if moved[path] ?? true {
                try remove(path, in: root)
            }
        }
        for case .made(let path) in journal.steps.reversed() where try root.status(path, following: false) != nil {
            try root.withParent(of: path, "remove") { folder, name in
                // What somebody put there meanwhile stays.
                guard unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY || errno == EEXIST else {
                    throw root.failure("remove", path)
                }
            }
        }
        for case .removed(let path, let mode, let uid, let gid) in journal.steps.reversed()
        where try root.status(path, following: false) == nil {
            try root.withParent(of: path, "make") { folder, name in
                guard mkdirat(folder, name, 0o700) == 0, fchmodat(folder, name, mode_t(mode), 0) == 0 else {
                    throw root.failure("make", path)
                }
                if geteuid() == 0 { fchownat(folder, name, uid, gid, AT_SYMLINK_NOFOLLOW) }
            }
        }
        for case .old(let path, let aside) in journal.steps.reversed() where moved[path] == true {
            try move(aside, to: path, in: root)
        }
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
