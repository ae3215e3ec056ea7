import CLinux
import Glibc

/// Looks a tree over that others could write to, and takes away what does not belong there.
///
/// A file stays when the index knows it, or when its content is right; mode and owner are made right. What was added goes.
/// Nobody else may be at the tree meanwhile.
public final class TreeRepair {
    /// What a look found to be missing, or took away since it was wrong.
    public struct Damage: Hashable, Sendable {
        public internal(set) var entries: Set<[UInt8]> = []
        /// Sections with an entry whose record does not hold any more.
        public internal(set) var sections: Set<Int> = []

        public init() {}
    }

    /// Times are told in ticks of up to 10 ms, so that a change right after a record can look like none.
    private static let tick: Int64 = 20_000_000

    private let tree: Directory
    private let manifest: ManifestFile
    private let index: TreeIndex
    private let header: TreeIndex.Header
    private let owner: Owner
    private let isLeftOut: ([UInt8]) -> Bool
    private let filler: TreeFiller
    private var damage = Damage()
    private var folders: [[UInt8]] = []

    /// Nil when the index is of another manifest, so that nothing is known of the tree.
    public init?(
        _ tree: Directory, _ manifest: ManifestFile, _ index: TreeIndex, owner: Owner,
        leavingOut isLeftOut: @escaping ([UInt8]) -> Bool
    ) {
        guard let header = index.header, header.manifest == manifest.digest else { return nil }
        self.tree = tree
        self.manifest = manifest
        self.index = index
        self.header = header
        self.owner = owner
        self.isLeftOut = isLeftOut
        filler = TreeFiller(tree)
    }

    /// `isExpected`: what may be there besides the entries, such as links to what outlives releases; `folders` that lead
    /// there are always looked into. Throws when something has attributes that files of shipit never have.
    public func run(
        expecting isExpected: ([UInt8]) -> Bool, folders others: [[UInt8]] = [], check: () throws -> Void
    ) throws -> Damage {
        folders += others
        if try tree.status().modified != header.modified || header.modified > header.takenAt - Self.tick {
            folders.append([])
        }
        for number in manifest.sections.indices {
            try check()
            try look(at: manifest.sections[number], number)
        }
        for folder in folders {
            try check()
            try clear(folder, isExpected)
        }
        return damage
    }

    private func look(at section: Section, _ number: Int) throws {
        let records = try index.records(of: section)
        for (entry, record) in zip(try manifest.entries(of: section), records) where !isLeftOut(entry.path) {
            guard let status = try filler.status(of: entry.path) else {
                lose(entry, number)
                continue
            }
            let now = TreeIndex.Record(status)
            guard now != record || record.changed > header.takenAt - Self.tick else { continue }
            damage.sections.insert(number)
            guard entry.path.withCPath({ linux_has_attributes(tree.descriptor, $0) }) == 0 else {
                throw ArtifactError(
                    .unsafeEntry, what: "use again", path: visible(entry.path), reason: "it has extended attributes")
            }
            if try isRight(entry, status) {
                try reset(entry, status)
                if entry.kind == .directory { folders.append(entry.path) }
            } else {
                try remove(entry.path, status.kind)
                lose(entry, number)
            }
        }
    }

    private func lose(_ entry: ManifestEntry, _ number: Int) {
        damage.entries.insert(entry.path)
        damage.sections.insert(number)
    }

    private func isRight(_ entry: ManifestEntry, _ status: Status) throws -> Bool {
        switch (entry.kind, status.kind) {
        case (.directory, .directory): true
        case (.link, .link): try tree.readLink(entry.path) == entry.link
        // One that has another name elsewhere could be changed there.
        case (.file, .file) where status.size == entry.size && status.links == 1:
            try tree.digest(of: entry.path).digest == entry.digest
        default: false
        }
    }

    private func reset(_ entry: ManifestEntry, _ status: Status) throws {
        if status.owner != owner.user || status.group != owner.group {
            try tree.withParent(of: entry.path, what: "change the owner of") { folder, name in
                guard fchownat(folder, name, owner.user, owner.group, AT_SYMLINK_NOFOLLOW) == 0 else {
                    throw tree.failure(errno, "change the owner of", entry.path)
                }
            }
        }
        // After the owner, since a change of that takes bits away.
        guard entry.kind != .link, status.mode != entry.mode else { return }
        try tree.withParent(of: entry.path, what: "change the mode of") { folder, name in
            // It is no link: we have just looked, and nobody else is here.
            guard fchmodat(folder, name, mode_t(entry.mode), 0) == 0 else {
                throw tree.failure(errno, "change the mode of", entry.path)
            }
        }
    }

    /// Takes away what the manifest does not have.
    private func clear(_ folder: [UInt8], _ isExpected: ([UInt8]) -> Bool) throws {
        guard let directory = folder.isEmpty ? tree : try? tree.open(folder) else { return }  // gone: nothing to clear
        for (name, kind) in try directory.entries() {
            let path = folder.isEmpty ? name : folder + [UInt8(ascii: "/")] + name
            if isExpected(path) { continue }
            if let entry = try manifest.entry(at: path), !isLeftOut(path), !damage.entries.contains(entry.path) {
                continue
            }
            try remove(path, kind)
        }
    }

    private func remove(_ path: [UInt8], _ kind: Status.Kind) throws {
        guard kind == .directory else { return try tree.remove(path) }
        let parent = try path.parent.map { try tree.open(Array($0)) } ?? tree
        try parent.removeTree(Array(path.lastComponent))
    }
}
