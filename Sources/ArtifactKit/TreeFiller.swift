import Glibc

/// Creates entries in manifest order below a directory, through folders that it opened itself.
///
/// Everything is created anew, and every step down is one component without following links, so nothing lands outside.
final class TreeFiller {
    private let root: Directory
    /// The folders on the way to the last entry, and how much of `lastParent` each one is.
    private var open: [(end: Int, folder: Descriptor)] = []
    private var lastParent: [UInt8] = []

    init(_ root: Directory) {
        self.root = root
    }

    func makeDirectory(_ path: [UInt8]) throws {
        try creating(path) { folder, name throws(SystemFailure) in
            _ = try ArtifactKit.makeFolder(name, in: folder, mode: 0o755)
        }
    }

    func makeLink(_ path: [UInt8], target: [UInt8]) throws {
        try creating(path) { folder, name throws(SystemFailure) in
            guard target.withCPath({ symlinkat($0, folder, name) }) == 0 else { throw SystemFailure(number: errno) }
        }
    }

    /// `fill` gets a closure that writes to the new file.
    func makeFile(
        _ path: [UInt8], mode: UInt16, _ fill: ((UnsafeRawBufferPointer) throws -> Void) throws -> Digest
    ) throws -> Digest {
        let file = try creating(path) { folder, name throws(SystemFailure) in
            try ArtifactKit.makeFile(name, in: folder, mode: mode)
        }
        let digest = try fill { bytes in
            do throws(SystemFailure) { try file.write(bytes) } catch { throw error.named("write", root.shown(path)) }
        }
        do { try file.close() } catch { throw error.named("write", root.shown(path)) }
        return digest
    }

    private func creating<Result>(
        _ path: [UInt8], _ body: (Int32, UnsafePointer<CChar>) throws(SystemFailure) -> Result
    ) throws -> Result {
        do throws(SystemFailure) {
            let folder = try folder(for: path.parent ?? [])
            return try path.lastComponent.withCPath { name throws(SystemFailure) in try body(folder, name) }
        } catch {
            throw error.named("create", root.shown(path))
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
