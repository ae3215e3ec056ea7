import ArtifactKit
import GitKit
import Synchronization

/// Makes the manifest of a revision as it is; of an earlier manifest it keeps what did not change.
///
/// Equal subtrees of the two revisions are not read, and blobs that both have are not hashed again.
struct TreeManifest {
    /// A revision whose manifest is known.
    struct Base: Sendable {
        let revision: Revision
        let manifest: ManifestFile
        /// Its attributes could leave something out.
        let hasExportRules: Bool
    }

    struct Summary: Sendable {
        var digest: Digest
        var hasExportRules: Bool
        var notes: [String]
        /// How many files were read.
        var read: Int
    }

    let repository: Repository
    let revision: Revision

    /// Writes the manifest to a new file, and closes that.
    func write(to file: FileWriter, from base: Base?) throws -> Summary {
        if let base, let edits = try changes(since: base) { return try write(to: file, base, edits) }
        let export = try Export(revision, from: repository)
        let writer = ManifestWriter(file)
        for entry in try manifestEntries(export.entries) { try writer.add(entry) }
        return Summary(
            digest: try writer.finish(), hasExportRules: export.hasExportRules, notes: export.notes,
            read: export.entries.count { $0.kind == .file || $0.kind == .executable })
    }

    // MARK: What changed

    /// The entries of paths that are others now, nil for those that are gone; nil when there are rules on what to leave
    /// out, which can say something else of any path.
    private func changes(since base: Base) throws -> [[UInt8]: TreeEntry?]? {
        guard !base.hasExportRules, repository.contains(base.revision) else { return nil }
        let changes = try repository.changes(from: base.revision, to: revision)
        let attributes = Array(".gitattributes".utf8)
        guard !changes.contains(where: { $0.path == attributes || $0.path.hasSuffix([0x2F] + attributes) }) else {
            return nil
        }
        var edits: [[UInt8]: TreeEntry?] = [:]
        let lookup = try TreeLookup(repository, revision)
        for change in changes where change.newKind == nil {
            edits[change.path] = .some(nil)
            for folder in change.path.nearestFoldersAbove where edits[folder] == nil {
                if try lookup.entry(at: folder)?.kind != .directory { edits[folder] = .some(nil) }
            }
        }
        var known: Set<[UInt8]> = []
        for change in changes {
            guard let kind = change.newKind, let id = change.newID else { continue }
            try PathRules.check(change.path)
            edits[change.path] = TreeEntry(path: change.path, kind: kind, id: id)
            for folder in change.path.nearestFoldersAbove where known.insert(folder).inserted {
                // A submodule was a folder too, and is gone when there are files in it.
                let isGone = edits[folder].map { $0 == nil } ?? false
                guard try isGone || base.manifest.entry(at: folder)?.kind != .directory,
                    let entry = try lookup.entry(at: folder)
                else { continue }
                edits[folder] = entry
            }
        }
        return edits
    }

    private func write(to file: FileWriter, _ base: Base, _ edits: [[UInt8]: TreeEntry?]) throws -> Summary {
        let made = try manifestEntries(edits.values.compactMap { $0 })
        let entries = Dictionary(uniqueKeysWithValues: made.map { ($0.path, $0) })
        var rest = edits.keys.sorted { $0.lexicographicallyPrecedes($1) }[...]
        let writer = ManifestWriter(file)
        let sections = base.manifest.sections
        func add(before path: [UInt8]?) throws {
            while let next = rest.first, path.map({ next.lexicographicallyPrecedes($0) }) ?? true {
                if let entry = entries[next] { try writer.add(entry) }
                rest.removeFirst()
            }
        }
        for (number, section) in sections.enumerated() {
            try add(before: section.firstPath)
            let end = number + 1 < sections.count ? sections[number + 1].firstPath : nil
            guard let next = rest.first, end.map({ next.lexicographicallyPrecedes($0) }) ?? true else {
                try writer.add(section, of: base.manifest)
                continue
            }
            for entry in try base.manifest.entries(of: section) {
                try add(before: entry.path)
                if rest.first == entry.path { try add(before: entry.path + [0]) } else { try writer.add(entry) }
            }
        }
        try add(before: nil)
        let submodules = edits.values.compactMap { $0 }.filter { $0.kind == .submodule }
        return Summary(
            digest: try writer.finish(), hasExportRules: false,
            notes: submodules.map { "\(visible($0.path)) is a submodule: its folder stays empty" },
            read: made.count { $0.kind == .file })
    }

    // MARK: Entries

    /// With the digests of the files, which two threads read.
    private func manifestEntries(_ entries: [TreeEntry]) throws -> [ManifestEntry] {
        let piece = 64
        let path = repository.path
        let found = Mutex<[Int: [ManifestEntry]]>([:])
        try onBothCores((entries.count + piece - 1) / piece) {
            try Repository(at: path)
        } _: { repository, number in
            let part = entries[(number * piece)..<min((number + 1) * piece, entries.count)]
            let made = try part.map { try Self.manifestEntry($0, repository) }
            found.withLock { $0[number] = made }
        }
        return found.withLock { found in found.sorted { $0.key < $1.key }.flatMap(\.value) }
    }

    private static func manifestEntry(_ entry: TreeEntry, _ repository: Repository) throws -> ManifestEntry {
        switch entry.kind {
        case .directory, .submodule: return .directory(entry.path)
        case .link: return .link(entry.path, target: try repository.linkTarget(entry))
        case .file, .executable:
            let (size, read) = try repository.file(entry)
            var hash = FileHash()
            try read { hash.update($0) }
            return .file(entry.path, executable: entry.kind == .executable, size: size, digest: hash.digest)
        }
    }
}

extension [UInt8] {
    /// The folders that a path is in, the nearest first.
    fileprivate var nearestFoldersAbove: [[UInt8]] {
        indices.reversed().filter { self[$0] == UInt8(ascii: "/") }.map { Array(self[..<$0]) }
    }

    fileprivate func hasSuffix(_ suffix: [UInt8]) -> Bool {
        count >= suffix.count && self[(count - suffix.count)...].elementsEqual(suffix)
    }
}
