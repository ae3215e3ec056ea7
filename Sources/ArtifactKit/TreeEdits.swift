/// How scripts left a tree where they did not leave it as its manifest says, so that later edits can be told from theirs.
public struct TreeEdits: Hashable, Sendable, Codable {
    struct Edit: Hashable, Sendable, Codable {
        /// Nil: it is gone.
        var kind: EntryKind?
        var mode: UInt16 = 0
        var size: Int64 = 0
        var modified: Int64 = 0
        var changed: Int64 = 0
        /// Nil for what is too large to be read; then size and time tell.
        var digest: Digest?
        var link: String?
    }

    /// More is not noted at all, and more than so many bytes are not read, nor so large a file.
    static let most = 4096
    private static let mostRead: Int64 = 64 << 20, largestRead: Int64 = 4 << 20

    /// By path, escaped as in a manifest's text.
    private var edits: [String: Edit] = [:]
    private var added: Set<String> = []

    public var isEmpty: Bool { edits.isEmpty && added.isEmpty }

    /// Whether scripts changed an entry, whatever became of it since.
    public func knows(_ path: [UInt8]) -> Bool { edits[ManifestEntry.escape(path)] != nil }

    /// Whether scripts added something of that name.
    public func hasAdded(_ path: [UInt8]) -> Bool { added.contains(ManifestEntry.escape(path)) }

    /// Whether an entry of the manifest is still as scripts left it; false for what they did not change.
    public func explain(_ path: [UInt8], in tree: Directory) throws -> Bool {
        guard let edit = edits[ManifestEntry.escape(path)] else { return false }
        guard let status = try Self.status(of: path, in: tree) else { return edit.kind == nil }
        switch (edit.kind, status.kind) {
        case (.directory, .directory): return status.mode == edit.mode
        case (.link, .link): return try ManifestEntry.escape(tree.readLink(path)) == edit.link
        case (.file, .file):
            guard status.mode == edit.mode, status.size == edit.size else { return false }
            if status.modified == edit.modified, status.changed == edit.changed { return true }
            guard let digest = edit.digest else { return status.modified == edit.modified }
            return try tree.digest(of: path).digest == digest
        default: return false
        }
    }

    /// What differs from the manifest and changed between two moments, in nanoseconds since 1970; nil when it is too much.
    ///
    /// What `former` knows and did not change in between stays as it was noted, so that edits of others stay edits.
    public init?(
        of tree: Directory, _ manifest: ManifestFile, _ knowledge: TreeDrift.Knowledge,
        between span: ClosedRange<Int64>,
        after former: TreeEdits?, leavingOut isLeftOut: ([UInt8]) -> Bool, expecting isExpected: ([UInt8]) -> Bool
    ) throws {
        let filler = TreeFiller(tree)
        var search = Search(tree: tree, filler: filler, span: span, former: former)
        let top = try tree.status()
        switch knowledge {
        case .index(let index):
            guard let header = index.header, header.manifest == manifest.digest else { return nil }
            if top.modified != header.modified { search.folders.insert([]) }
        case .completeAt(let time): if top.modified > time { search.folders.insert([]) }
        }
        for section in manifest.sections {
            var records: [TreeIndex.Record]?
            if case .index(let index) = knowledge { records = try index.records(of: section) }
            var doubtful: [(place: Int, status: Status?)] = []
            for (place, (path, kind)) in try manifest.paths(in: section).enumerated() {
                search.meet(path)
                if isLeftOut(path) { continue }
                let record = records?[place]
                // Something else stands in its place, and always did.
                if let record, record.inode == 0 { continue }
                let status = try filler.status(of: path)
                if let status {
                    let isUnchanged =
                        switch knowledge {
                        case .index: record == TreeIndex.Record(status)
                        case .completeAt(let time): status.changed <= time
                        }
                    if isUnchanged { continue }
                    if kind == .directory, status.kind == .directory { search.folders.insert(path) }
                }
                doubtful.append((place, status))
            }
            guard !doubtful.isEmpty else { continue }
            let entries = try manifest.entries(of: section)
            for (place, status) in doubtful {
                let isSame =
                    records.map { $0[place].modified == status?.modified && $0[place].inode == status?.inode } ?? false
                try search.take(entries[place], status, hasContent: isSame)
            }
            guard search.edits.count <= Self.most else { return nil }
        }
        for folder in search.folders {
            // Gone meanwhile, or no folder any more.
            guard let directory = folder.isEmpty ? tree : try? tree.open(folder) else { continue }
            for (name, _) in try directory.entries() {
                let path = folder.isEmpty ? name : folder + [UInt8(ascii: "/")] + name
                if search.known.contains(path) || isExpected(path) || isLeftOut(path) { continue }
                guard let status = try filler.status(of: path) else { continue }
                let word = ManifestEntry.escape(path)
                if span.contains(status.changed) || former?.added.contains(word) ?? false { added.insert(word) }
            }
            guard added.count <= Self.most else { return nil }
        }
        edits = search.edits
    }

    /// The same of some entries of a folder that has others' files too.
    public init?(
        of tree: Directory, _ entries: [ManifestEntry], between span: ClosedRange<Int64>, after former: TreeEdits?
    )
        throws
    {
        let filler = TreeFiller(tree)
        var search = Search(tree: tree, filler: filler, span: span, former: former)
        guard entries.count <= Self.most else { return nil }
        for entry in entries { try search.take(entry, try filler.status(of: entry.path), hasContent: false) }
        edits = search.edits
    }

    /// Nil too when a link is above it.
    private static func status(of path: [UInt8], in tree: Directory) throws -> Status? {
        do {
            return try tree.metadata(path)
        } catch let error as ArtifactError where error.code == .link {
            return nil
        }
    }

    private struct Search {
        let tree: Directory
        let filler: TreeFiller
        let span: ClosedRange<Int64>
        let former: TreeEdits?
        var edits: [String: Edit] = [:]
        /// Where something was added or taken away, and what the manifest has right in these.
        var folders: Set<[UInt8]> = []
        var known: Set<[UInt8]> = []
        private var budget = TreeEdits.mostRead

        init(tree: Directory, filler: TreeFiller, span: ClosedRange<Int64>, former: TreeEdits?) {
            (self.tree, self.filler, self.span, self.former) = (tree, filler, span, former)
        }

        /// A folder comes before what is in it.
        mutating func meet(_ path: [UInt8]) {
            if folders.contains(path.parent.map { Array($0) } ?? []) { known.insert(path) }
        }

        /// `hasContent`: it is the very file that was made, with its content.
        mutating func take(_ entry: ManifestEntry, _ status: Status?, hasContent: Bool) throws {
            let word = ManifestEntry.escape(entry.path)
            guard span.contains(try status?.changed ?? whenGone(entry.path)) else {
                edits[word] = former?.edits[word]
                return
            }
            guard let status else { return edits[word] = Edit() }
            var edit = Edit(
                kind: .file, mode: status.mode, size: status.size, modified: status.modified, changed: status.changed)
            switch status.kind {
            case .directory:
                edit.kind = .directory
                if entry.kind == .directory, status.mode == entry.mode { return }
            case .link:
                let link = try tree.readLink(entry.path)
                if entry.kind == .link, link == entry.link { return }
                edit.kind = .link
                edit.link = ManifestEntry.escape(link)
            case .file:
                if hasContent, status.size == entry.size {
                    edit.digest = entry.digest
                } else if status.size <= TreeEdits.largestRead, status.size <= budget {
                    budget -= status.size
                    edit.digest = try tree.digest(of: entry.path).digest
                }
                if entry.kind == .file, edit.digest == entry.digest, status.mode == entry.mode { return }
            // No script's usual work, and nothing that could be compared.
            case .other: return
            }
            edits[word] = edit
        }

        /// When the folder that it was in last changed.
        private func whenGone(_ path: [UInt8]) throws -> Int64 {
            var above = path.parent.map { Array($0) }
            while let folder = above {
                if let status = try filler.status(of: folder) { return status.changed }
                above = folder.parent.map { Array($0) }
            }
            return try tree.status().changed
        }
    }
}
