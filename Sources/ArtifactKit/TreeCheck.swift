import CLinux
import Glibc

/// Whether a tree is still what its index says, by looking at each entry and reading none.
public struct TreeCheck: Sendable {
    let manifest: ManifestFile
    let index: TreeIndex

    public init(_ manifest: ManifestFile, _ index: TreeIndex) {
        self.manifest = manifest
        self.index = index
    }

    /// The first thing that was found to differ, for people; nil when nothing does.
    ///
    /// A name that came or went shows in its folder, whose times are recorded too.
    public func difference(in tree: Directory) throws -> String? {
        guard let header = index.header, header.manifest == manifest.digest else { return "its index is of another" }
        guard try tree.status().modified == header.modified else { return "names at its top changed" }
        let root = tree.descriptor
        // A small tree has but a section or two, and both cores shall have something to do.
        let parts = manifest.sections.count < 8 ? 4 : 1
        do {
            try withExtendedLifetime(tree) {
                try onBothCores(manifest.sections.count * parts) {
                    [CChar](repeating: 0, count: PathRules.longestPath + 1)
                } _: { path, piece in
                    try look(at: manifest.sections[piece / parts], piece % parts, of: parts, in: root, &path)
                }
            }
        } catch let difference as Difference {
            return difference.what
        }
        return nil
    }

    private struct Difference: Error { let what: String }

    /// At one of so many parts of a section. `path` is room for one, so that nothing is allocated for each entry.
    private func look(
        at section: Section, _ part: Int, of parts: Int, in root: Int32, _ path: inout [CChar]
    ) throws {
        let records = try index.records(of: section)
        let lines = try manifest.lines(of: section)
        try lines.withUnsafeBytes { bytes in
            /// Where a part begins: at the beginning of a line.
            func start(_ part: Int) -> Int {
                let byte = bytes.count / parts * part
                if part == 0 || part == parts { return part == 0 ? 0 : bytes.count }
                return min(ManifestFile.endOfLine(in: bytes, from: byte) + 1, bytes.count)
            }
            let (first, last) = (start(part), start(part + 1))
            var place = 0
            ManifestFile.forEachLine(in: .init(rebasing: bytes[..<first])) { _ in place += 1 }
            try ManifestFile.forEachLine(in: .init(rebasing: bytes[first..<last])) { line in
                guard place < records.count, let (_, name) = ManifestEntry.scan(line) else {
                    throw manifest.damage("a section does not have its entries")
                }
                let record = records[place]
                place += 1
                guard record.inode != 0 else { return }
                try Self.place(name, in: &path)
                var status = stat()
                guard fstatat(root, path, &status, AT_SYMLINK_NOFOLLOW) == 0,
                    TreeIndex.Record(Status(status)) == record
                else { throw Difference(what: "\(visible(Array(name))) changed") }
            }
            guard part < parts - 1 || place == records.count else {
                throw manifest.damage("a section does not have its entries")
            }
        }
    }

    private static func place(_ name: ManifestEntry.Bytes, in path: inout [CChar]) throws {
        var count = 0
        func put(_ bytes: UnsafeRawBufferPointer) {
            path.withUnsafeMutableBytes { $0.copyMemory(from: bytes) }
            count = bytes.count
        }
        if name.count < path.count, !name.contains(UInt8(ascii: "%")) {
            put(UnsafeRawBufferPointer(rebasing: name))
        } else {
            guard let bytes = ManifestEntry.unescape(name), bytes.count < path.count else {
                throw Difference(what: "a line of its manifest is no entry")
            }
            bytes.withUnsafeBytes(put)
        }
        path[count] = 0
    }
}
