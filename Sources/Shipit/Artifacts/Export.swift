import ArtifactKit
import GitKit
import Glibc

/// What a revision holds, entry by entry: read from the bare repository and never through a checkout.
struct Export {
    let repository: Repository
    let commit: Commit
    private(set) var entries: [TreeEntry] = []
    /// Things that people should know: submodules that stay empty.
    private(set) var notes: [String] = []

    init(_ revision: Revision, from repository: Repository) throws {
        self.repository = repository
        commit = try repository.commit(revision)
        var entries: [TreeEntry] = []
        try repository.walkTree(of: revision) { entry in
            try PathRules.check(entry.path)
            entries.append(entry)
        }
        // Git sorts a folder as if its name ended with a slash; a manifest sorts plain bytes.
        entries.sort { $0.path.lexicographicallyPrecedes($1.path) }
        self.entries = entries
        for entry in entries where entry.kind == .submodule {
            notes.append("\(visible(entry.path)) is a submodule: its folder stays empty")
        }
    }

    /// The tarball straight from git's objects, for a revision that has no build.
    func pack(into path: String) throws -> TarballSummary {
        let writer = try TarballWriter(at: path, modificationTime: max(0, commit.committer.seconds))
        let files = entries.filter { $0.kind == .file || $0.kind == .executable }
        let ahead = BlobReadAhead(files.map(\.id), in: repository.path)
        defer { ahead.stop() }
        for entry in entries {
            switch entry.kind {
            case .directory, .submodule: try writer.addDirectory(entry.path)
            case .link: try writer.addLink(entry.path, target: try link(entry))
            case .file, .executable:
                let (size, read) = try content(of: entry, as: try ahead.next())
                try writer.addFile(entry.path, executable: entry.kind == .executable, size: size, read)
            }
        }
        return try writer.finish()
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
                try directory.createLink(entry.path, target: try link(entry))
            case .file, .executable:
                let (_, read) = try content(of: entry, as: try ahead.next())
                let writer = try directory.createFile(entry.path, mode: entry.kind == .executable ? 0o755 : 0o644)
                try read { try writer.write($0) }
                try writer.close()
                if let user { try directory.give(entry.path, to: user) }
            }
        }
    }

    func link(_ entry: TreeEntry) throws -> [UInt8] {
        let target = try repository.blob(entry.id)
        try PathRules.checkLink(at: entry.path, target: target)
        return target
    }

    typealias Reader = ((UnsafeRawBufferPointer) throws -> Void) throws -> Void

    /// The size and the bytes of a file; a pointer to a large file becomes the large file when it is at hand.
    func content(of entry: TreeEntry, as blob: BlobReadAhead.Blob) throws -> (size: Int64, read: Reader) {
        guard case .bytes(let bytes) = blob else {
            return (try repository.blobSize(entry.id), { consume in try repository.readBlob(entry.id, consume) })
        }
        guard bytes.count < 1024, let pointer = Repository.lfsPointer(in: bytes) else {
            return (Int64(bytes.count), { consume in try bytes.withUnsafeBytes(consume) })
        }
        guard let path = repository.lfsObjectPath(oid: pointer.oid) else {
            throw ShipitError(
                .failure,
                "\(visible(entry.path)) is a Git LFS pointer, and its object \(pointer.oid.prefix(12)) is not in the repository",
                hint: "git lfs push --all to this repository's lfs/objects, or commit the file itself")
        }
        return (pointer.size, { consume in try Self.readLarge(path, pointer, consume) })
    }

    private static func readLarge(
        _ path: String, _ pointer: (oid: String, size: Int64), _ consume: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let (digest, size) = try Digest.ofFile(at: path)
        guard digest.description == pointer.oid, size == pointer.size else {
            throw ShipitError(.failure, "the Git LFS object \(path) does not match its name", hint: "git lfs fsck")
        }
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let folder = try Directory(path: String(path[..<slash]))
        _ = try folder.readFile(Array(path[path.index(after: slash)...].utf8), consume)
    }
}
