import Glibc

/// How far a tree is from what shipit made, as the file system alone tells: nothing is read but what seems to differ.
public struct TreeDrift: Hashable, Sendable {
    public private(set) var edited = 0
    public private(set) var missing = 0
    /// What is in a folder and was not in the artifact.
    public private(set) var extra = 0

    /// Files above that size, or more of them, are taken for edited unread.
    private static let mostRead: Int64 = 4 << 20, mostReads = 32

    /// Nil when there are too many entries, when it takes too long, or when the index is of another manifest.
    ///
    /// `isExpected`: what may be there besides the entries, such as links to what outlives releases.
    public init?(
        of tree: Directory, _ manifest: ManifestFile, _ index: TreeIndex, most: Int, within time: Duration,
        leavingOut isLeftOut: ([UInt8]) -> Bool, expecting isExpected: ([UInt8]) -> Bool
    ) throws {
        guard manifest.entryCount <= most, let header = index.header, header.manifest == manifest.digest else {
            return nil
        }
        let deadline = ContinuousClock.now + time
        let filler = TreeFiller(tree)
        var folders: [[UInt8]] = try tree.status().modified == header.modified ? [] : [[]]
        var doubtful: [[UInt8]] = []
        for section in manifest.sections {
            guard ContinuousClock.now < deadline else { return nil }
            for ((path, kind), record) in zip(try manifest.paths(in: section), try index.records(of: section))
            where !isLeftOut(path) && record.inode != 0 {
                guard let status = try filler.status(of: path) else {
                    missing += 1
                    continue
                }
                let now = TreeIndex.Record(status)
                if now.inode == record.inode, now.modified == record.modified { continue }
                if kind == .directory, status.kind == .directory {
                    folders.append(path)
                } else {
                    doubtful.append(path)
                }
            }
        }
        for (number, path) in doubtful.enumerated() {
            guard ContinuousClock.now < deadline else { return nil }
            if number >= Self.mostReads { edited += 1 } else if try !Self.isRight(path, tree, manifest) { edited += 1 }
        }
        for folder in folders {
            guard ContinuousClock.now < deadline else { return nil }
            let directory = folder.isEmpty ? tree : try tree.open(folder)
            for (name, _) in try directory.entries() {
                let path = folder.isEmpty ? name : folder + [UInt8(ascii: "/")] + name
                if !isExpected(path), try manifest.entry(at: path) == nil { extra += 1 }
            }
        }
    }

    private static func isRight(_ path: [UInt8], _ tree: Directory, _ manifest: ManifestFile) throws -> Bool {
        guard let entry = try manifest.entry(at: path), let status = try tree.metadata(path) else { return false }
        return switch (entry.kind, status.kind) {
        case (.link, .link): try tree.readLink(path) == entry.link
        case (.file, .file) where status.size == entry.size && status.size <= mostRead:
            try tree.digest(of: path).digest == entry.digest
        default: false
        }
    }
}
