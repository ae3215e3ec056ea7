import CLinux
import Glibc
import Synchronization

/// Brings a tree from the manifest that it has to the manifest that it needs, or fills an empty one.
///
/// Nobody else may be at the tree. What differs goes, and is made anew from the content, so that no file is ever written
/// to where somebody else may hold it; everything written is compared with its digest. An interrupted patch leaves a tree
/// that is of no use.
public final class TreePatch {
    /// What a tree has.
    public struct Base {
        public let manifest: ManifestFile
        public let index: TreeIndex
        /// Entries that are not there as the manifest has them, and sections whose records do not hold.
        var damage: TreeRepair.Damage

        public init(_ manifest: ManifestFile, _ index: TreeIndex, damage: TreeRepair.Damage = .init()) {
            self.manifest = manifest
            self.index = index
            self.damage = damage
        }
    }

    private let tree: Directory
    private let base: Base?
    private let new: ManifestFile
    private let owner: Owner?
    private let isLeftOut: @Sendable ([UInt8]) -> Bool
    private let index: TreeIndex
    /// Sections of the old manifest that the new one has as well, by their digests.
    private var common: [Digest: Section] = [:]
    private var touchedFolders: Set<[UInt8]> = []
    /// How many files and links were made.
    public private(set) var made = 0

    /// `index` is a new one for the tree as it will be; entries that are left out are neither made nor removed.
    public init(
        _ tree: Directory, from base: Base?, to new: ManifestFile, owner: Owner?, index: TreeIndex,
        leavingOut isLeftOut: @escaping @Sendable ([UInt8]) -> Bool = { _ in false }
    ) {
        self.tree = tree
        self.base = base
        self.new = new
        self.owner = owner
        self.index = index
        self.isLeftOut = isLeftOut
    }

    /// Removes what is not wanted any more and makes what is; the index is finished afterwards.
    ///
    /// `check` is asked often, on any thread, and may throw to end it.
    public func apply(_ content: any Content, check: @Sendable () throws -> Void = {}) throws {
        findCommonSections()
        let filler = TreeFiller(tree, owner: owner)
        var plan = Plan()
        if let base {
            try compare(base, filler, &plan)
            for folder in plan.removedFolders.reversed() { try filler.remove(folder, isDirectory: true) }
        } else {
            for section in new.sections {
                for case (let path, .directory) in try new.paths(in: section) where !isLeftOut(path) {
                    plan.newFolders.append(path)
                }
            }
        }
        for folder in plan.newFolders { try filler.makeDirectory(folder) }
        try copyRecords()
        try makeFiles(content, plan.wanted, check)
    }

    /// Records the folders, once nothing more is put into them, and all that holds of the tree.
    ///
    /// What is left out now has no record, though it may have been made, to be moved elsewhere.
    public func finishIndex(_ condition: Digest, leavingOut isLeftOut: ([UInt8]) -> Bool) throws {
        let filler = TreeFiller(tree)
        var sections = new.sections.indices.filter { common[new.sections[$0].digest] == nil }
        var touched: [Int: Set<[UInt8]>] = [:]
        for folder in touchedFolders {
            if let section = new.index(ofSectionWith: folder), common[new.sections[section].digest] != nil {
                touched[section, default: []].insert(folder)
            }
        }
        sections += touched.keys
        for number in sections {
            let section = new.sections[number]
            for (place, (path, kind)) in try new.paths(in: section).enumerated()
            where kind == .directory && touched[number]?.contains(path) != false && !isLeftOut(path) {
                guard let status = try filler.status(of: path) else { throw gone(path) }
                try index.write([TreeIndex.Record(status)], at: section.firstEntry + place)
            }
            for (place, (path, _)) in try new.paths(in: section).enumerated() where isLeftOut(path) {
                try index.write([TreeIndex.Record()], at: section.firstEntry + place)
            }
        }
        try index.finish(
            TreeIndex.Header(
                manifest: new.digest, condition: condition, modified: try tree.status().modified,
                takenAt: Self.now))
    }
}

extension TreePatch {
    private struct Plan {
        var removedFolders: [[UInt8]] = []
        var newFolders: [[UInt8]] = []
        /// For each section of the new manifest that is not common: which of its entries are to be made; nil: all.
        var wanted: [Int: [Bool]]?
    }

    private func findCommonSections() {
        guard let base else { return }
        let wanted = Set(new.sections.map(\.digest))
        for (number, section) in base.manifest.sections.enumerated()
        where wanted.contains(section.digest) && !base.damage.sections.contains(number) {
            common[section.digest] = section
        }
    }

    /// Goes through the entries of both manifests that are not in common sections, like the teeth of a zip.
    private func compare(_ base: Base, _ filler: TreeFiller, _ plan: inout Plan) throws {
        var old = Entries(of: base.manifest) { self.common[$0.digest] == nil }
        var next = Entries(of: new) { self.common[$0.digest] == nil }
        var wanted: [Int: [Bool]] = [:]
        var (before, after) = (try old.next(), try next.next())
        func touch(_ path: [UInt8]) { touchedFolders.insert(Array(path.parent ?? [])) }
        while before != nil || after != nil {
            let isOld = before.map { old in after.map { !$0.entry.path.precedes(old.entry.path) } ?? true } ?? false
            let isNew = after.map { new in before.map { !$0.entry.path.precedes(new.entry.path) } ?? true } ?? false
            var isKept = false
            if isOld, let entry = before?.entry {
                let isThere = !base.damage.entries.contains(entry.path)
                isKept = isNew && isThere && after?.entry == entry
                // What a repair took away has changed its folder too.
                if !isThere { touch(entry.path) }
                if !isKept, isThere, !isLeftOut(entry.path) {
                    touch(entry.path)
                    if entry.kind != .directory {
                        try filler.remove(entry.path, isDirectory: false)
                    } else if !isNew || after?.entry.kind != .directory {
                        plan.removedFolders.append(entry.path)
                    }
                }
                before = try old.next()
            }
            if isNew, let (entry, section, place, count) = after {
                let isMade = !isKept && !isLeftOut(entry.path)
                wanted[section, default: Array(repeating: false, count: count)][place] = isMade
                if isMade {
                    touch(entry.path)
                    if entry.kind == .directory { plan.newFolders.append(entry.path) }
                }
                after = try next.next()
            }
        }
        plan.wanted = wanted
    }

    private func copyRecords() throws {
        guard let base else { return }
        for section in new.sections {
            guard let there = common[section.digest] else { continue }
            try index.write(try base.index.records(of: there), at: section.firstEntry)
        }
    }

    private func makeFiles(
        _ content: any Content, _ wanted: [Int: [Bool]]?, _ check: @Sendable () throws -> Void
    ) throws {
        let sections = self.new.sections.indices.filter { common[self.new.sections[$0].digest] == nil }
        let (new, index, isLeftOut, owner) = (self.new, self.index, self.isLeftOut, self.owner)
        let root = tree.descriptor
        let made = Atomic(0)
        try withExtendedLifetime(tree) {
            try onBothCores(sections.count) {
                Worker(filler: TreeFiller(try Directory(sharing: root), owner: owner), reader: try content.reader())
            } _: { worker, number in
                try check()
                let section = new.sections[sections[number]]
                let entries = try new.entries(of: section)
                let flags = wanted?[sections[number]]
                let isWanted = { (place: Int) in flags?[place] ?? !isLeftOut(entries[place].path) }
                let records = try worker.make(section, entries, isWanted, isLeftOut)
                try index.write(records, at: section.firstEntry)
                made.wrappingAdd(
                    entries.indices.count { entries[$0].kind != .directory && isWanted($0) }, ordering: .relaxed)
            }
        }
        self.made = made.load(ordering: .relaxed)
    }

    /// As the kernel stamps files: by a clock that ticks, so never later than a stamp taken afterwards.
    private static var now: Int64 { linux_nanoseconds(CLOCK_REALTIME) }

    private func gone(_ path: [UInt8]) -> ArtifactError {
        ArtifactError(.notFound, what: "find", path: tree.shown(path), reason: "it went away meanwhile")
    }

    /// What one thread needs to make the files of a section.
    private struct Worker {
        let filler: TreeFiller
        let reader: any ContentReader

        func make(
            _ section: Section, _ entries: [ManifestEntry], _ isWanted: (Int) -> Bool, _ isLeftOut: ([UInt8]) -> Bool
        ) throws -> [TreeIndex.Record] {
            var records = Array(repeating: TreeIndex.Record(), count: entries.count)
            try reader.read(section, entries, wanted: isWanted) { entry, content in
                var hash = FileHash()
                let file = try filler.makeFile(entry.path, mode: entry.mode)
                try content { bytes in
                    hash.update(bytes)
                    try filler.write(bytes, to: file, at: entry.path)
                }
                guard hash.digest == entry.digest else {
                    throw ArtifactError(
                        .differs, what: "accept", path: visible(entry.path),
                        reason: "its content is not what the manifest says")
                }
                records[entries.firstIndex(notBefore: entry.path)] = TreeIndex.Record(
                    try filler.finish(file, at: entry.path))
            }
            for (place, entry) in entries.enumerated() where entry.kind != .directory && !isLeftOut(entry.path) {
                if entry.kind == .link, isWanted(place) { try filler.makeLink(entry.path, target: entry.link) }
                guard records[place].inode == 0 else { continue }
                // A file that was wanted and not handed over shows here.
                guard let status = try filler.status(of: entry.path) else {
                    throw ArtifactError(
                        .notFound, what: "make", path: visible(entry.path), reason: "there is no content for it")
                }
                records[place] = TreeIndex.Record(status)
            }
            return records
        }
    }

    /// The entries of those sections of a manifest that matter, one after the other.
    private struct Entries {
        private let manifest: ManifestFile
        private var sections: ArraySlice<Int>
        private var entries: [ManifestEntry] = []
        private var place = 0
        private var section = 0

        init(of manifest: ManifestFile, where matters: (Section) -> Bool) {
            self.manifest = manifest
            sections = manifest.sections.indices.filter { matters(manifest.sections[$0]) }[...]
        }

        /// With its section, its place there, and how many are there.
        mutating func next() throws -> (entry: ManifestEntry, section: Int, place: Int, count: Int)? {
            while place == entries.count {
                guard let next = sections.popFirst() else { return nil }
                section = next
                entries = try manifest.entries(of: manifest.sections[next])
                place = 0
            }
            defer { place += 1 }
            return (entries[place], section, place, entries.count)
        }
    }
}
