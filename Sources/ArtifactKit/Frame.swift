/// A piece of a tarball's file that is decompressed on its own; it holds one section of the manifest.
public struct Frame: Hashable, Sendable, Codable {
    /// Where it begins in the file.
    public let offset: Int64
    /// Compressed.
    public let size: Int64

    public init(offset: Int64, size: Int64) {
        self.offset = offset
        self.size = size
    }
}
