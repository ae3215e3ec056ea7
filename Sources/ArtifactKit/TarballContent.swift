import Glibc

/// A tarball whose frames are known, so that a section costs no more than its frame.
public final class TarballContent: Content {
    public let path: String
    public let manifest: ManifestFile
    private let frames: [Digest: (section: Section, frame: Frame)]

    /// `frames` are as the tarball's writer gave them; the manifest is what the tarball contains.
    public init(at path: String, manifest: ManifestFile, frames: [Frame]) throws {
        guard frames.count == manifest.sections.count else {
            throw ArtifactError(
                .malformed, what: "read", path: visible(Array(path.utf8)),
                reason: "it has \(frames.count) frames for \(manifest.sections.count) sections")
        }
        self.path = path
        self.manifest = manifest
        let pairs = zip(manifest.sections, frames).map { ($0.digest, (section: $0, frame: $1)) }
        self.frames = Dictionary(pairs) { first, _ in first }
    }

    /// The frame that holds the section, which may be another manifest's that says the same.
    public func frame(of section: Section) -> Frame? { frames[section.digest]?.frame }

    /// The section of this tarball's own manifest that says the same.
    func own(_ section: Section) -> Section? { frames[section.digest]?.section }

    public func reader() -> any ContentReader { Reader(tarball: self) }

    /// Reads the whole file, for who is about to use all of it.
    public func verify(_ digest: Digest) throws {
        let found = try Digest.ofFile(at: path).digest
        guard found == digest else {
            throw ArtifactError(
                .differs, what: "accept", path: visible(Array(path.utf8)),
                reason: "its digest is \(found), not \(digest)")
        }
    }

    /// The frame as it is in the file.
    func copy(_ frame: Frame, _ consume: (UnsafeRawBufferPointer) throws -> Void) throws {
        let file = try Descriptor(reading: path)
        var done: Int64 = 0
        while done < frame.size {
            let part = try file.read(
                at: frame.offset + done, count: Int(min(1 << 20, frame.size - done)), visible(Array(path.utf8)))
            try part.withUnsafeBytes(consume)
            done += Int64(part.count)
        }
    }

    private struct Reader: ContentReader {
        let tarball: TarballContent

        func read(
            _ section: Section, _ entries: [ManifestEntry], wanted: (Int) -> Bool,
            _ visit: (ManifestEntry, TarballReader.Content) throws -> Void
        ) throws {
            let isWanted = { entries[$0].kind == .file && wanted($0) }
            guard entries.indices.contains(where: isWanted) else { return }
            guard let frame = tarball.frame(of: section) else {
                throw ArtifactError(
                    .notFound, what: "find a section of the manifest in", path: visible(Array(tarball.path.utf8)),
                    reason: "no frame has it")
            }
            try TarballReader.read(frame, at: tarball.path, entries: entries, wanted: isWanted, visit)
        }
    }
}
