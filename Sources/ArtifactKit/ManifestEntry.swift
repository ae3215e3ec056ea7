/// One file, directory or link of a manifest.
public struct ManifestEntry: Hashable, Sendable {
    public let path: [UInt8]
    public let kind: EntryKind
    /// Permission bits: 0644 or 0755 for a file, 0755 for a directory, 0777 for a link.
    public let mode: UInt16
    /// Of a file's content; 0 for the others.
    public let size: Int64
    /// Of a file's content; the others have none.
    public let digest: Digest?
    /// Where a link leads; empty for the others.
    public let link: [UInt8]

    public init(path: [UInt8], kind: EntryKind, mode: UInt16, size: Int64, digest: Digest?, link: [UInt8]) {
        self.path = path
        self.kind = kind
        self.mode = mode
        self.size = size
        self.digest = digest
        self.link = link
    }

    public static func file(_ path: [UInt8], executable: Bool, size: Int64, digest: Digest?) -> ManifestEntry {
        let mode: UInt16 = executable ? 0o755 : 0o644
        return ManifestEntry(path: path, kind: .file, mode: mode, size: size, digest: digest, link: [])
    }

    public static func directory(_ path: [UInt8]) -> ManifestEntry {
        ManifestEntry(path: path, kind: .directory, mode: 0o755, size: 0, digest: nil, link: [])
    }

    public static func link(_ path: [UInt8], target: [UInt8]) -> ManifestEntry {
        ManifestEntry(path: path, kind: .link, mode: 0o777, size: 0, digest: nil, link: target)
    }

    /// Throws unless this can be created inside a root without harm.
    ///
    /// Everything but the digest is looked at, since a tarball's reader knows that one last.
    func check() throws {
        try PathRules.check(path)
        let modeIsRight =
            switch kind {
            case .file: mode == 0o644 || mode == 0o755
            case .directory: mode == 0o755
            case .link: mode == 0o777
            }
        guard modeIsRight else { throw refusal("a \(kind.rawValue) cannot have mode 0\(String(mode, radix: 8))") }
        guard kind == .file ? size >= 0 : size == 0 else { throw refusal("a \(kind.rawValue) of size \(size)") }
        if kind == .link {
            try PathRules.checkLink(at: path, target: link)
        } else if !link.isEmpty {
            throw refusal("a \(kind.rawValue) that leads to \(visible(link))")
        }
    }

    private func refusal(_ reason: String) -> ArtifactError {
        ArtifactError(.unsafeEntry, what: "accept", path: visible(path), reason: reason)
    }
}
