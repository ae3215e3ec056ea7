/// What a finished tarball is.
public struct TarballSummary: Hashable, Sendable {
    /// Of the tarball's file.
    public let digest: Digest
    /// Of the tarball's file.
    public let size: Int64
    /// One for each section of the manifest, in order; what follows the last is the tar's end.
    public let frames: [Frame]
    /// Of what is in it.
    public let manifest: Digest
    public let entries: Int
}
