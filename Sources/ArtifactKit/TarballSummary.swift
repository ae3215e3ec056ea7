/// What a finished tarball contains and is.
public struct TarballSummary: Hashable, Sendable {
    public let manifest: Manifest
    /// Of the tarball's file.
    public let digest: Digest
    /// Of the tarball's file.
    public let size: Int64
    /// In order, and together the whole file.
    public let frames: [Frame]
}
