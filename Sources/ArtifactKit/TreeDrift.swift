import Glibc

/// How far a tree is from what shipit made, as the file system alone tells: nothing is read but what seems to differ.
public struct TreeDrift: Hashable, Sendable {
    public private(set) var edited = 0
    public private(set) var missing = 0
    /// What is in a folder and was not in the artifact.
    public private(set) var extra = 0
    /// There was no time for all of it.
    public let isPartial: Bool

    /// Where the size does not tell, so much is read; what is larger is taken for edited, and of more nothing is known.
    private static let mostRead: Int64 = 4 << 20, mostReads = 32

    /// What is known of an entry when shipit had made it.
    public enum Knowledge {
        /// Nothing is found out with an index of another manifest.
        case index(TreeIndex)
        /// When the tree was complete, in nanoseconds since 1970: what changed later may have been edited.
        case completeAt(Int64)
    }

    /// Nil when there are too many entries, or when it takes too long to find anything; else at least so much differs.
    ///
    /// `edits`: what scripts did is no drift. `isExpected`: what may be there besides the entries, such as links to what
    /// outlives releases.
    public init?(
        of tree: Directory, _ manifest: ManifestFile, _ knowledge: Knowledge, since edits: TreeEdits? = nil, most: Int,
        until deadline: ContinuousClock.Instant, leavingOut isLeftOut: ([UInt8]) -> Bool,
        expecting isExpected: ([UInt8]) -> Bool
    ) throws {
        guard manifest.entryCount <= most else { return nil }
        var look = Look(tree: tree, edits: edits, deadline: deadline)
        switch knowledge {
        case .index(let index):
            guard let header = index.header, header.manifest == manifest.digest else { return nil }
            if try tree.status().modified != header.modified { look.folders.append([]) }
            for section in manifest.sections where !look.isLate {
                let records = try index.records(of: section)
                var doubtful: [Int] = []
                for (place, (path, kind)) in try manifest.paths(in: section).enumerated()
                where !isLeftOut(path) && records[place].inode != 0 {
                    guard let status = try look.status(of: path) else { continue }
                    if status.inode == records[place].inode, status.modified == records[place].modified { continue }
                    if kind == .directory, status.kind == .directory {
                        look.folders.append(path)
                    } else {
                        doubtful.append(place)
                    }
                }
                guard !doubtful.isEmpty else { continue }
                let entries = try manifest.entries(of: section)
                for place in doubtful { try look.compare(entries[place]) }
            }
        case .completeAt(let time):
            if try tree.status().modified > time { look.folders.append([]) }
            for section in manifest.sections where !look.isLate {
                for entry in try manifest.entries(of: section) where !isLeftOut(entry.path) {
                    guard let status = try look.status(of: entry.path) else { continue }
                    if status.modified <= time, entry.kind != .file || status.size == entry.size { continue }
                    if entry.kind == .directory, status.kind == .directory {
                        look.folders.append(entry.path)
                    } else {
                        try look.compare(entry)
                    }
                }
            }
        }
        for folder in look.folders where !look.isLate {
            // Gone meanwhile: counted already.
            guard let directory = folder.isEmpty ? tree : try? tree.open(folder) else { continue }
            for (name, _) in try directory.entries() {
                let path = folder.isEmpty ? name : folder + [UInt8(ascii: "/")] + name
                if !look.isOver(), !isExpected(path), edits?.hasAdded(path) != true, try manifest.entry(at: path) == nil
                {
                    extra += 1
                }
            }
        }
        (edited, missing, isPartial) = (look.edited, look.missing, look.isLate)
        if look.isLate, edited + missing + extra == 0 { return nil }
    }

    /// A look at a tree that ends in time.
    private struct Look {
        let tree: Directory
        let edits: TreeEdits?
        let filler: TreeFiller
        let deadline: ContinuousClock.Instant
        var edited = 0
        var missing = 0
        /// Where something was added or taken away.
        var folders: [[UInt8]] = []
        private(set) var isLate = false
        private var count = 0
        private var reads = 0

        init(tree: Directory, edits: TreeEdits?, deadline: ContinuousClock.Instant) {
            (self.tree, self.edits, self.deadline) = (tree, edits, deadline)
            filler = TreeFiller(tree)
        }

        /// One look in fifty at the clock: a disk that is slow must not be waited for.
        mutating func isOver() -> Bool {
            count += 1
            if count % 50 == 0, !isLate { isLate = ContinuousClock.now >= deadline }
            return isLate
        }

        /// Nil when it is missing, or there is no more time.
        mutating func status(of path: [UInt8]) throws -> Status? {
            if isOver() { return nil }
            let status = try filler.status(of: path)
            if status == nil, try edits?.explain(path, in: tree) != true { missing += 1 }
            return status
        }

        mutating func compare(_ entry: ManifestEntry) throws {
            // Gone meanwhile: the next look tells.
            guard let status = try filler.status(of: entry.path) else { return }
            if try edits?.explain(entry.path, in: tree) == true { return }
            switch (entry.kind, status.kind) {
            case (.directory, .directory): break
            case (.link, .link): if try tree.readLink(entry.path) != entry.link { edited += 1 }
            case (.file, .file):
                if status.size != entry.size || status.size > TreeDrift.mostRead {
                    edited += 1
                } else if reads < TreeDrift.mostReads, ContinuousClock.now < deadline {
                    reads += 1
                    if try tree.digest(of: entry.path).digest != entry.digest { edited += 1 }
                }
            default: edited += 1
            }
        }
    }
}
