import CLinux
import Glibc

/// Creates and removes entries below a directory, through folders that it opened itself.
///
/// Everything is created anew, and every step down is one component without following links, so nothing lands outside.
/// Fast when the entries come in manifest order.
final class TreeFiller {
    private let root: Directory
    private let owner: Owner?
    /// The folders on the way to the last entry, and how much of `lastParent` each one is.
    private var open: [(end: Int, folder: Descriptor)] = []
    private var lastParent: [UInt8] = []

    init(_ root: Directory, owner: Owner? = nil) {
        self.root = root
        self.owner = owner
    }

    func makeDirectory(_ path: [UInt8]) throws {
        try at(path, "create") { folder, name throws(SystemFailure) in
            try give(try ArtifactKit.makeFolder(name, in: folder, mode: 0o755))
        }
    }

    func makeLink(_ path: [UInt8], target: [UInt8]) throws {
        try at(path, "create") { folder, name throws(SystemFailure) in
            guard target.withCPath({ symlinkat($0, folder, name) }) == 0 else { throw SystemFailure(number: errno) }
            guard let owner else { return }
            guard fchownat(folder, name, owner.user, owner.group, AT_SYMLINK_NOFOLLOW) == 0
            else { throw SystemFailure(number: errno) }
        }
    }

    func makeFile(_ path: [UInt8], mode: UInt16) throws -> Descriptor {
        try at(path, "create") { folder, name throws(SystemFailure) in
            let file = try ArtifactKit.makeFile(name, in: folder, mode: mode)
            try give(file)
            return file
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer, to file: Descriptor, at path: [UInt8]) throws {
        do { try file.write(bytes) } catch { throw error.named("write", root.shown(path)) }
    }

    /// Closes a file that was made; gives what the file system says of it in the end.
    func finish(_ file: Descriptor, at path: [UInt8]) throws -> Status {
        do throws(SystemFailure) {
            let status = try file.status()
            try file.close()
            return status
        } catch {
            throw error.named("write", root.shown(path))
        }
    }

    /// An empty folder, or anything else that is no folder; what is gone already is no error.
    func remove(_ path: [UInt8], isDirectory: Bool) throws {
        try at(path, "remove") { folder, name throws(SystemFailure) in
            guard unlinkat(folder, name, isDirectory ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT
            else { throw SystemFailure(number: errno) }
        }
        // A folder that is held open and no longer there must not be taken for one of the same name.
        if isDirectory {
            open = []
            lastParent = []
        }
    }

    /// Nil if there is nothing of that name.
    func status(of path: [UInt8]) throws -> Status? {
        do throws(SystemFailure) {
            let folder = try folder(for: path.parent ?? [])
            var status = stat()
            guard path.lastComponent.withCPath({ fstatat(folder, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0
            else { throw SystemFailure(number: errno) }
            return Status(status)
        } catch {
            if [ENOENT, ENOTDIR, ELOOP].contains(error.number) { return nil }
            throw error.named("look at", root.shown(path))
        }
    }

    private func give(_ file: Descriptor) throws(SystemFailure) {
        guard let owner else { return }
        guard fchown(file.number, owner.user, owner.group) == 0 else { throw SystemFailure(number: errno) }
    }

    private func at<Result>(
        _ path: [UInt8], _ what: String, _ body: (Int32, UnsafePointer<CChar>) throws(SystemFailure) -> Result
    ) throws -> Result {
        do throws(SystemFailure) {
            let folder = try folder(for: path.parent ?? [])
            return try path.lastComponent.withCPath { name throws(SystemFailure) in try body(folder, name) }
        } catch {
            throw error.named(what, root.shown(path))
        }
    }

    private func folder(for parent: ArraySlice<UInt8>) throws(SystemFailure) -> Int32 {
        if parent.elementsEqual(lastParent) { return open.last?.folder.number ?? root.descriptor }
        if parent.isEmpty { return root.descriptor }
        while let last = open.last, !isAbove(last.end, parent) { open.removeLast() }
        var start = open.last.map { $0.end + 1 } ?? 0
        lastParent = Array(lastParent.prefix(open.last?.end ?? 0))
        let path = Array(parent)
        while start < path.count {
            let end = path[start...].firstIndex(of: UInt8(ascii: "/")) ?? path.count
            let above = open.last?.folder.number ?? root.descriptor
            let number = path[start..<end].withCPath {
                openat(above, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            }
            guard number >= 0 else { throw SystemFailure(number: errno) }
            open.append((end, Descriptor(number)))
            lastParent = Array(path[..<end])
            start = end + 1
        }
        return open.last?.folder.number ?? root.descriptor
    }

    /// Whether the first `end` bytes of the last parent are `path` or a folder above it.
    private func isAbove(_ end: Int, _ path: ArraySlice<UInt8>) -> Bool {
        guard path.count >= end, path.prefix(end).elementsEqual(lastParent.prefix(end)) else { return false }
        return path.count == end || path[path.startIndex + end] == UInt8(ascii: "/")
    }
}
