import CLinux
import Glibc

/// What it took to copy a tree.
public struct CopySummary: Hashable, Sendable {
    public var files = 0
    /// Files that share their blocks with what they were copied from.
    public var shared = 0

    public init() {}
}

extension Directory {
    /// Copies a file, a link or a folder with all that is in it below another folder; where the file system can, the
    /// copies share their blocks with the originals.
    ///
    /// Links are copied as they are and never followed, times are kept, modes lose set-user-id and its like, and devices,
    /// pipes and sockets are left out. A file of somebody else than `formerOwner` is an error: it may be a hard link to
    /// what whoever made the tree could not read. What is there already stays: a folder is filled up, nothing is replaced. `check`
    /// is asked between files whether to go on.
    public func copyTree(
        _ from: [UInt8], to: [UInt8], in other: Directory, of formerOwner: UInt32? = nil,
        owner: (user: UInt32, group: UInt32)? = nil,
        _ check: () throws -> Void = {}
    ) throws -> CopySummary {
        let copy = TreeCopy(of: formerOwner, owner: owner)
        let source = try from.parent.map { try open(Array($0)) } ?? self
        let target = try to.parent.map { try other.open(Array($0)) } ?? other
        let (old, new) = (Array(from.lastComponent), Array(to.lastComponent))
        if let isNew = try copy.copy(old, in: source, to: new, in: target) {
            copy.pending.append(TreeCopy.Folder(from: from, to: to, isNew: isNew))
        }
        // By path, since a folder may hold more folders than a process may have open.
        while let folder = copy.pending.popLast() {
            let (source, target) = (try open(folder.from), try other.open(folder.to))
            for (name, _) in try source.entries() {
                try check()
                guard let isNew = try copy.copy(name, in: source, to: name, in: target) else { continue }
                let slash = UInt8(ascii: "/")
                copy.pending.append(
                    TreeCopy.Folder(from: folder.from + [slash] + name, to: folder.to + [slash] + name, isNew: isNew))
            }
            // Its own mode and times come last: with them it may not be writable any more.
            if folder.isNew { try copy.finish(source, target) }
        }
        return copy.summary
    }
}

/// The folders still to be copied, and how each thing is.
private final class TreeCopy {
    struct Folder {
        let from: [UInt8]
        let to: [UInt8]
        let isNew: Bool
    }

    let owner: (user: UInt32, group: UInt32)?
    var pending: [Folder] = []
    var summary = CopySummary()

    private let formerOwner: UInt32?

    init(of formerOwner: UInt32?, owner: (user: UInt32, group: UInt32)?) {
        self.formerOwner = formerOwner
        self.owner = owner
    }

    /// Copies one thing; of a folder only itself, and says whether it was made, so that its content follows.
    func copy(_ name: [UInt8], in source: Directory, to new: [UInt8], in target: Directory) throws -> Bool? {
        guard let status = try source.metadata(name) else { throw source.failure(ENOENT, "copy", name) }
        let there = try target.metadata(new)?.kind
        switch status.kind {
        case .directory where there == nil || there == .directory:
            if there == nil { try target.makeDirectory(new, mode: 0o700) }
            return there == nil
        case .file where there == nil: try copyFile(name, status, in: source, to: new, in: target)
        case .link where there == nil:
            try target.createLink(new, target: try source.readLink(name))
            guard let owner else { return nil }
            let result = new.withCPath {
                fchownat(target.descriptor, $0, owner.user, owner.group, AT_SYMLINK_NOFOLLOW)
            }
            guard result == 0 else { throw target.failure(errno, "give away", new) }
        case .directory, .file, .link, .other: break
        }
        return nil
    }

    private func copyFile(
        _ name: [UInt8], _ status: Status, in source: Directory, to new: [UInt8], in target: Directory
    ) throws {
        let file = try source.openBeneath(name, O_RDONLY | O_NONBLOCK, what: "copy")
        let found = try file.checkIsFile(what: "copy") { source.shown(name) }
        guard formerOwner == nil || found.owner == formerOwner else {
            throw ArtifactError(
                .unsafeEntry, what: "copy", path: source.shown(name), reason: "it belongs to user \(found.owner)")
        }
        let copy = try new.withCPath { new in
            do throws(SystemFailure) { return try makeFile(new, in: target.descriptor, mode: 0o600) } catch {
                throw error.named("copy", source.shown(name))
            }
        }
        let result = linux_copy_file(file.number, copy.number)
        guard result >= 0, finish(file.number, copy.number, status.mode) else {
            throw source.failure(errno, "copy", name)
        }
        do { try copy.close() } catch { throw error.named("copy", source.shown(name)) }
        summary.files += 1
        summary.shared += Int(result)
    }

    func finish(_ source: Directory, _ target: Directory) throws {
        guard finish(source.descriptor, target.descriptor, try source.status().mode) else {
            throw ArtifactError(errno: errno, what: "copy", path: source.path)
        }
    }

    private func finish(_ source: Int32, _ target: Int32, _ mode: UInt16) -> Bool {
        if let owner, fchown(target, owner.user, owner.group) != 0 { return false }
        return fchmod(target, mode_t(mode & 0o777)) == 0 && linux_copy_times(source, target) == 0
    }
}
