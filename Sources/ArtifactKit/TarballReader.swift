/// Reads tarballs that a ``TarballWriter`` made, and believes nothing that they say.
public enum TarballReader {
    /// Takes the content of an entry in pieces; it can be called once, or not at all.
    public typealias Content = (_ consume: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

    /// Visits each entry, which has no digest yet, in manifest order.
    ///
    /// Whether the file has the expected digest is known last, so keep nothing of it unless this returns.
    public static func read(
        at path: String, expecting digest: Digest?, limits: TarballLimits = TarballLimits(),
        _ visit: (ManifestEntry, Content) throws -> Void
    ) throws {
        let stream = try TarballStream(at: path)
        var guardian = EntryGuard(limits: limits)
        while let entry = try stream.next() {
            try guardian.admit(entry, in: stream)
            try visit(entry) { consume in _ = try stream.readContent(consume) }
        }
        if let digest { try stream.expect(digest) }
    }

    /// What is in it, after reading all of it.
    public static func list(at path: String, limits: TarballLimits = TarballLimits()) throws -> Manifest {
        let stream = try TarballStream(at: path)
        var guardian = EntryGuard(limits: limits)
        var entries: [ManifestEntry] = []
        while let entry = try stream.next() {
            try guardian.admit(entry, in: stream)
            guard entry.kind == .file else {
                entries.append(entry)
                continue
            }
            let digest = try stream.readContent { _ in }
            entries.append(.file(entry.path, executable: entry.mode == 0o755, size: entry.size, digest: digest))
        }
        return try Manifest(entries: entries)
    }

    /// Visits the entries of one frame without reading the others; `entries` are those of the manifest that it holds.
    ///
    /// Each entry must be the listed one. The content is verified as it is read to its end, so keep it only then.
    public static func read(
        _ frame: Frame, at path: String, entries: ArraySlice<ManifestEntry>,
        _ visit: (ManifestEntry, Content) throws -> Void
    ) throws {
        let stream = try TarballStream(at: path, frame: frame)
        var expected = entries
        while let entry = try stream.next() {
            guard let listed = expected.popFirst(), listed.agrees(with: entry) else {
                throw stream.difference("\(visible(entry.path)) is not what the manifest says")
            }
            try visit(listed) { consume in
                let digest = try stream.readContent(consume)
                guard digest == listed.digest else {
                    throw stream.difference("the content of \(visible(entry.path)) is not what the manifest says")
                }
            }
        }
        guard expected.isEmpty else { throw stream.difference("entries are missing") }
    }
}

extension TarballReader {
    /// Creates in an empty directory exactly what the manifest lists, from a tarball that has exactly this digest.
    ///
    /// Everything is verified in one pass, the digest last; on an error the caller removes the directory.
    public static func extract(
        at path: String, manifest: Manifest, digest: Digest, into directory: Directory
    ) throws {
        let stream = try TarballStream(at: path)
        let tree = TreeFiller(directory)
        var expected = manifest.entries[...]
        while let entry = try stream.next() {
            guard let listed = expected.popFirst(), listed.agrees(with: entry) else {
                throw stream.difference("\(visible(entry.path)) is not what the manifest says")
            }
            switch entry.kind {
            case .directory: try tree.makeDirectory(entry.path)
            case .link: try tree.makeLink(entry.path, target: entry.link)
            case .file:
                let written = try tree.makeFile(entry.path, mode: entry.mode) { write in
                    try stream.readContent(write)
                }
                guard written == listed.digest else {
                    throw stream.difference("the content of \(visible(entry.path)) is not what the manifest says")
                }
            }
        }
        if let missing = expected.first { throw stream.difference("\(visible(missing.path)) is missing") }
        try stream.expect(digest)
    }
}

extension TarballStream {
    func expect(_ digest: Digest) throws {
        let found = try digestOfFile()
        guard found == digest else { throw difference("its digest is \(found), not \(digest)") }
    }

    func difference(_ reason: String) -> ArtifactError {
        ArtifactError(.differs, what: "accept", path: path, reason: reason)
    }
}

extension ManifestEntry {
    /// All but the digest, which a tarball does not tell.
    fileprivate func agrees(with other: ManifestEntry) -> Bool {
        path == other.path && kind == other.kind && mode == other.mode && size == other.size && link == other.link
    }
}
