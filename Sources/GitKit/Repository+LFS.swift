internal import Glibc

extension Repository {
    /// What a blob points at when it is a Git LFS pointer: the sha256 of the real content, and its size.
    public static func lfsPointer(in bytes: [UInt8]) -> (oid: String, size: Int64)? {
        let versions = ["version https://git-lfs.github.com/spec/", "version https://hawser.github.com/spec/"]
        guard bytes.count < 1024, versions.contains(where: { bytes.starts(with: $0.utf8) }) else { return nil }
        var oid: String?
        var size: Int64?
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let text = String(decoding: line, as: UTF8.self)
            if text.hasPrefix("oid sha256:") { oid = String(text.dropFirst("oid sha256:".count)) }
            if text.hasPrefix("size ") { size = Int64(text.dropFirst("size ".count)) }
        }
        guard let oid, isLFSObjectID(oid), let size, size >= 0 else { return nil }
        return (oid, size)
    }

    /// Where the repository keeps the content of an LFS pointer, or nil when it was not pushed here.
    public func lfsObjectPath(oid: String) -> String? {
        guard Self.isLFSObjectID(oid) else { return nil }
        let path = "\(commonDirectory)/lfs/objects/\(oid.prefix(2))/\(oid.dropFirst(2).prefix(2))/\(oid)"
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return path
    }

    private static func isLFSObjectID(_ text: String) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
