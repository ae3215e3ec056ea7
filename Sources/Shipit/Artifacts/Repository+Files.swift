import ArtifactKit
import GitKit
import Glibc

extension Repository {
    typealias FileReader = ((UnsafeRawBufferPointer) throws -> Void) throws -> Void

    /// The size and the bytes of a file of a revision; a pointer to a large file becomes the large file.
    func file(_ entry: TreeEntry) throws -> (size: Int64, read: FileReader) {
        let size = try blobSize(entry.id)
        guard size <= BlobReadAhead.largest else {
            return (size, { consume in try self.readBlob(entry.id, consume) })
        }
        return try file(entry, try blob(entry.id))
    }

    /// The same for a blob that was read already.
    func file(_ entry: TreeEntry, _ bytes: [UInt8]) throws -> (size: Int64, read: FileReader) {
        guard bytes.count < 1024, let pointer = Repository.lfsPointer(in: bytes) else {
            return (Int64(bytes.count), { consume in try bytes.withUnsafeBytes(consume) })
        }
        guard let path = lfsObjectPath(oid: pointer.oid) else {
            throw ShipitError(
                .failure,
                "\(visible(entry.path)) is a Git LFS pointer, and its object \(pointer.oid.prefix(12)) is not in the repository",
                hint: "git lfs push --all to this repository's lfs/objects, or commit the file itself")
        }
        return (pointer.size, { consume in try Self.readLarge(path, pointer, consume) })
    }

    /// Where a link of a revision leads; one that leads out of the tree is refused.
    func linkTarget(_ entry: TreeEntry) throws -> [UInt8] {
        let target = try blob(entry.id)
        try PathRules.checkLink(at: entry.path, target: target)
        return target
    }

    private static func readLarge(
        _ path: String, _ pointer: (oid: String, size: Int64), _ consume: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let (digest, size) = try Digest.ofFile(at: path)
        guard digest.description == pointer.oid, size == pointer.size else {
            throw ShipitError(.failure, "the Git LFS object \(path) does not match its name", hint: "git lfs fsck")
        }
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let folder = try Directory(path: String(path[..<slash]))
        _ = try folder.readFile(Array(path[path.index(after: slash)...].utf8), consume)
    }
}
