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

    /// Visits wanted entries of one frame; `entries` are those of the section that it holds.
    ///
    /// Each entry must be the listed one. The content is verified as it is read to its end, so keep it only then.
    public static func read(
        _ frame: Frame, at path: String, entries: [ManifestEntry], wanted: (Int) -> Bool = { _ in true },
        _ visit: (ManifestEntry, Content) throws -> Void
    ) throws {
        let stream = try TarballStream(at: path, frame: frame)
        var place = 0
        while let entry = try stream.next() {
            guard place < entries.count, entries[place].agrees(with: entry) else {
                throw stream.difference("\(visible(entry.path)) is not what the manifest says")
            }
            let listed = entries[place]
            place += 1
            guard wanted(place - 1) else { continue }
            try visit(listed) { consume in
                let digest = try stream.readContent(consume)
                guard digest == listed.digest else {
                    throw stream.difference("the content of \(visible(entry.path)) is not what the manifest says")
                }
            }
        }
        guard place == entries.count else { throw stream.difference("entries are missing") }
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
