import ArtifactKit
import CLinux
import Glibc

/// What an installation left, whether it came to its end or not.
extension InstallTransaction {
    struct Files {
        let cleanup: [UInt8]
        let lastSuccessful: [UInt8]
        /// What is written at the end, and the name of what was there before.
        let records: [(name: [UInt8], former: [UInt8])]
        /// The journal, whose name says how far things came.
        let staging: [UInt8]
        let journal: [UInt8]
        /// It is being put back, which is gone on with whatever comes between.
        let back: [UInt8]
        let done: [UInt8]

        init(_ group: String) {
            cleanup = Array("\(group)-cleanup".utf8)
            lastSuccessful = Array("\(group)_last_successful_install".utf8)
            records = [cleanup, lastSuccessful].map { ($0, Array(".".utf8) + $0 + Array(".former".utf8)) }
            staging = Array(".\(group)-journal.staging".utf8)
            journal = Array(".\(group)-journal".utf8)
            back = Array(".\(group)-journal.back".utf8)
            done = Array(".\(group)-journal.done".utf8)
        }
    }

    /// Puts everything back that an installation did not come to the end of, or removes what one that did left aside.
    ///
    /// Can itself be killed and done again. Gives what could not be put back, since something else is there; with
    /// `oldWins`, for who knows that nobody but scripts of ours was there meanwhile, that is removed instead.
    @discardableResult
    static func recover(
        in state: Directory, of group: String, at root: InstallRoot, oldWins: Bool = false
    ) throws -> [String] {
        let files = Files(group)
        var remarks: [String] = []
        if try state.metadata(files.journal) != nil { try state.rename(files.journal, to: files.back) }
        if let bytes = try state.readIfThere(files.back) {
            guard let journal = InstallJournal(parsing: bytes) else {
                throw ShipitError(
                    .failure, "the journal of an unfinished installation in \(state.path) cannot be read",
                    hint: "what it moved aside is named .shipit-*-old* and .shipit-*-was*; move it back, then remove it"
                )
            }
            remarks = try putBack(journal, root, oldWins)
            try Failpoint.installPutBack.reach()
            for (name, former) in files.records where try state.metadata(former) != nil {
                try state.rename(former, to: name)
            }
            try syncDevices(journal, root)
            // All that is new is aside again.
            try state.rename(files.back, to: files.staging)
            try state.sync()
        }
        if let bytes = try state.readIfThere(files.staging) {
            for step in InstallJournal(parsing: bytes)?.steps ?? [] {
                switch step {
                case .new(_, let aside): try remove(aside, in: root)
                // What stood in the way of what was there before.
                case .old(_, let aside) where oldWins: try remove(aside, in: root)
                default: continue
                }
            }
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
    private static func putBack(_ journal: InstallJournal, _ root: InstallRoot, _ oldWins: Bool) throws -> [String] {
        func isThere(_ path: [UInt8]) throws -> Bool { try root.status(path, following: false) != nil }
        let olds = journal.steps.compactMap { step -> ([UInt8], [UInt8])? in
            if case .old(let path, let aside) = step { return (path, aside) }
            return nil
        }
        if !oldWins, let first = olds.first, try !olds.contains(where: { try isThere($0.0) || isThere($0.1) }) {
            throw ShipitError(
                .failure, "nothing of an unfinished installation is there, not even \(root.shown(first.0))",
                hint: "is its disk mounted? If it is, remove the journal, .*-journal beside the cleanup list")
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
                if oldWins, try exchange(path, aside, root) { continue }
                remarks.append("\(root.shown(path)) came back meanwhile, and what it was is \(root.shown(aside))")
            } else {
                try move(aside, to: path, in: root)
            }
        }
        return remarks
    }

    /// False where the file system does not know how.
    private static func exchange(_ path: [UInt8], _ aside: [UInt8], _ root: InstallRoot) throws -> Bool {
        try root.withParent(of: path, "move") { folder, name in
            try root.withParent(of: aside, "move") { other, asideName in
                let exchange: UInt32 = 2
                return linux_renameat2(folder, name, other, asideName, exchange) == 0
            }
        }
    }

    /// Also a folder that a script made where a file was.
    private static func remove(_ path: [UInt8], in root: InstallRoot) throws {
        guard try root.status(path, following: false) != nil else { return }
        try root.withParent(of: path, "remove") { folder, name in
            if unlinkat(folder, name, 0) == 0 || errno == ENOENT { return }
            guard errno == EISDIR else { throw root.failure("remove", path) }
            try Directory(path: "/proc/self/fd/\(folder)").removeTree(path.splitAtLastSlash.name)
        }
    }
}

extension Directory {
    func readIfThere(_ name: [UInt8]) throws -> [UInt8]? {
        try metadata(name) == nil ? nil : try readFile(name, limit: 1 << 30)
    }
}
