/// A piece of a tarball's file that is decompressed on its own and holds some entries whole.
public struct Frame: Hashable, Sendable, Codable {
    /// Into the manifest's entries; the frame's entries end where the next frame's begin.
    public let firstEntry: Int
    /// Where it begins in the file.
    public let offset: Int64
    /// Compressed.
    public let size: Int64
}
