import CLinux
import Crypto
import Glibc

extension Directory {
    /// The whole of a regular file; an error if it has more than `limit` bytes.
    public func readFile(_ path: [UInt8], limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try readFile(path) { part in
            guard bytes.count + part.count <= limit else {
                throw ArtifactError(
                    .tooLarge, what: "read", path: shown(path), reason: "it is longer than \(limit) bytes")
            }
            bytes.append(contentsOf: part)
        }
        return bytes
    }

    /// Hands over a regular file in pieces and returns how long it was.
    @discardableResult
    public func readFile(_ path: [UInt8], _ consume: (UnsafeRawBufferPointer) throws -> Void) throws -> Int64 {
        try PathRules.check(path)
        let file = try openBeneath(path, O_RDONLY | O_NONBLOCK, what: "read")
        try file.checkIsFile(what: "read") { shown(path) }
        return try file.readAll(what: "read", path: { shown(path) }, consume)
    }

    /// The digest and the size of a regular file.
    public func digest(of path: [UInt8]) throws -> (digest: Digest, size: Int64) {
        var hash = SHA256()
        let size = try readFile(path) { hash.update(bufferPointer: $0) }
        return (Digest(hash), size)
    }

    public func readLink(_ path: [UInt8]) throws -> [UInt8] {
        try withParent(of: path, what: "read the link") { folder, name in
            try withUnsafeTemporaryAllocation(of: CChar.self, capacity: PathRules.longestPath) { buffer in
                guard let start = buffer.baseAddress else { return [] }
                let count = readlinkat(folder, name, start, buffer.count)
                guard count >= 0 else { throw failure(errno, "read the link", path) }
                return buffer.prefix(count).map { UInt8(bitPattern: $0) }
            }
        }
    }

    /// nil if there is nothing of that name, or nothing could be, since a file is above it.
    public func metadata(_ path: [UInt8]) throws -> Status? {
        do {
            return try withParent(of: path, what: "look at") { folder, name in
                var status = stat()
                guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                    throw failure(errno, "look at", path)
                }
                return Status(status)
            }
        } catch let error as ArtifactError where error.code == .notFound || error.code == .notDirectory {
            return nil
        }
    }

    /// What is directly in this folder, sorted by the bytes of the names.
    public func entries() throws -> [(name: [UInt8], kind: Status.Kind)] {
        do throws(SystemFailure) {
            let listing = try Listing(of: descriptor)
            var entries: [(name: [UInt8], kind: Status.Kind)] = []
            while let entry = try listing.next() { entries.append(entry) }
            return entries.sorted { $0.name.precedes($1.name) }
        } catch {
            throw error.named("list", path)
        }
    }
}
