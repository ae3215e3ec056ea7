import ArtifactKit
import GitKit
import Glibc

/// What a revision holds, entry by entry: read from the bare repository and never through a checkout.
struct Export {
    let repository: Repository
    let commit: Commit
    /// Sorted as a manifest is.
    private(set) var entries: [TreeEntry] = []
    /// The revision has attributes that leave something out, or could.
    private(set) var hasExportRules = false

    init(_ revision: Revision, from repository: Repository) throws {
        self.repository = repository
        commit = try repository.commit(revision)
        var entries: [TreeEntry] = []
        hasExportRules = try repository.walkTree(of: revision) { entry in
            try PathRules.check(entry.path)
            entries.append(entry)
        }
        // Git sorts a folder as if its name ended with a slash; a manifest sorts plain bytes.
        entries.sort { $0.path.lexicographicallyPrecedes($1.path) }
        self.entries = entries
    }

    /// Things that people should know: submodules that stay empty.
    var notes: [String] {
        entries.filter { $0.kind == .submodule }.map {
            "\(visible($0.path)) is a submodule: its folder stays empty"
        }
    }

    /// The tree as files, for a build to work in; owned by `user` when there is one.
    func write(into directory: Directory, for user: User?) throws {
        let files = entries.filter { $0.kind == .file || $0.kind == .executable }
        let ahead = BlobReadAhead(files.map(\.id), in: repository.path)
        defer { ahead.stop() }
        for entry in entries {
            switch entry.kind {
            case .directory, .submodule:
                try directory.makeDirectory(entry.path)
                if let user { try directory.give(entry.path, to: user) }
            case .link:
                try directory.createLink(entry.path, target: try repository.linkTarget(entry))
            case .file, .executable:
                let read = try content(of: entry, as: try ahead.next())
                let writer = try directory.createFile(entry.path, mode: entry.kind == .executable ? 0o755 : 0o644)
                try read { try writer.write($0) }
                try writer.close()
                if let user { try directory.give(entry.path, to: user) }
            }
        }
    }

    private func content(of entry: TreeEntry, as blob: BlobReadAhead.Blob) throws -> Repository.FileReader {
        guard case .bytes(let bytes) = blob else {
            return { consume in try repository.readBlob(entry.id, consume) }
        }
        return try repository.file(entry, bytes).read
    }
}
