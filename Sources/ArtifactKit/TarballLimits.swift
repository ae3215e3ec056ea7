/// How much a tarball whose content is not known beforehand may contain.
public struct TarballLimits: Hashable, Sendable {
    public var entries: Int
    /// Of one file.
    public var fileSize: Int64
    /// Of all files together.
    public var totalSize: Int64

    public init(entries: Int = 1_000_000, fileSize: Int64 = 16 << 30, totalSize: Int64 = 64 << 30) {
        self.entries = entries
        self.fileSize = fileSize
        self.totalSize = totalSize
    }
}
