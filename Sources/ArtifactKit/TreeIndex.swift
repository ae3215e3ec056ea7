import Glibc

/// What the file system said of each entry of a tree when shipit had made it, as git's index does for a working tree.
///
/// The file is a header of one line, padded, and a record for each entry of the manifest, in its order. It is of use on
/// this machine only. Several threads may write different records at once.
public final class TreeIndex: @unchecked Sendable {
    struct Record: Hashable {
        /// 0: the tree has no such entry, since something else stands in its place.
        var inode: UInt64 = 0
        var modified: Int64 = 0
        var changed: Int64 = 0
        var owner: UInt32 = 0
        var group: UInt32 = 0
        /// Type and permissions, as in `st_mode`.
        var mode: UInt32 = 0
        private var padding: UInt32 = 0

        init() {}

        init(_ status: Status) {
            inode = status.inode
            modified = status.modified
            changed = status.changed
            owner = status.owner
            group = status.group
            mode = UInt32(status.mode) | status.kind.bits
        }
    }

    /// What holds of the whole tree.
    public struct Header: Hashable, Sendable {
        /// Of the manifest whose entries are recorded.
        public var manifest: Digest
        /// Of all else that trees must have in common to be patched into one another.
        public var condition: Digest
        /// When the names at the tree's top last changed, in nanoseconds since 1970.
        public var modified: Int64
        /// When the last record was taken, in nanoseconds since 1970.
        public var takenAt: Int64
    }

    private static let headerSize = 256
    private static let recordSize = MemoryLayout<Record>.stride
    private let file: Descriptor
    private let path: String

    private init(_ file: Descriptor, _ path: String) {
        self.file = file
        self.path = path
    }

    /// A new file, which is of no use before ``finish(_:)``.
    public convenience init(creating name: [UInt8], in directory: Directory) throws {
        let file = try directory.withParent(of: name, what: "create") { folder, name in
            do throws(SystemFailure) {
                return try makeFile(name, in: folder, mode: 0o600, access: O_RDWR)
            } catch {
                throw error.named("create", directory.path)
            }
        }
        self.init(file, directory.shown(name))
    }

    /// An index that was finished; nil if there is none, or it cannot be one.
    public convenience init?(reading name: [UInt8], in directory: Directory) throws {
        guard try directory.metadata(name)?.kind == .file else { return nil }
        self.init(try directory.openBeneath(name, O_RDONLY | O_NONBLOCK, what: "read"), directory.shown(name))
        guard header != nil else { return nil }
    }

    /// An index whose entries some are about to be put right; nil as above.
    public convenience init?(mending name: [UInt8], in directory: Directory) throws {
        guard try directory.metadata(name)?.kind == .file else { return nil }
        self.init(try directory.openBeneath(name, O_RDWR | O_NONBLOCK, what: "open"), directory.shown(name))
        guard header != nil else { return nil }
    }

    /// Records files and links that were just put right; who uses the tree again reads them once more all the same,
    /// since they changed after the index was taken.
    public func renew(_ paths: [[UInt8]], of manifest: ManifestFile, in tree: Directory) throws {
        guard header?.manifest == manifest.digest else { return }
        let filler = TreeFiller(tree)
        var places: [Int: Set<[UInt8]>] = [:]
        for path in paths {
            if let section = manifest.index(ofSectionWith: path) { places[section, default: []].insert(path) }
        }
        for (number, wanted) in places {
            let section = manifest.sections[number]
            for (place, (path, kind)) in try manifest.paths(in: section).enumerated()
            where kind != .directory && wanted.contains(path) {
                guard let status = try filler.status(of: path) else { continue }
                try write([Record(status)], at: section.firstEntry + place)
            }
        }
    }

    public var header: Header? {
        // Whatever cannot be read is as good as no index: then nothing is reused.
        guard let bytes = try? file.read(at: 0, count: Self.headerSize, path) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard words.count == 7, words[0] == "shipit", words[1] == "index", words[2] == "1",
            let manifest = Digest(hex: String(words[3])), let condition = Digest(hex: String(words[4])),
            let modified = Int64(words[5]), let takenAt = Int64(words[6])
        else { return nil }
        return Header(manifest: manifest, condition: condition, modified: modified, takenAt: takenAt)
    }

    /// Makes the index one. Not synced: one that a power cut took is as good as none.
    public func finish(_ header: Header) throws {
        let line = "shipit index 1 \(header.manifest) \(header.condition) \(header.modified) \(header.takenAt)"
        var bytes = [UInt8](repeating: UInt8(ascii: " "), count: Self.headerSize)
        bytes.replaceSubrange(0..<line.utf8.count, with: line.utf8)
        bytes[Self.headerSize - 1] = UInt8(ascii: "\n")
        try bytes.withUnsafeBytes { try write($0, at: 0) }
    }

    func records(of section: Section) throws -> [Record] {
        let offset = Self.headerSize + section.firstEntry * Self.recordSize
        let bytes = try file.read(at: Int64(offset), count: section.count * Self.recordSize, path)
        return [Record](unsafeUninitializedCapacity: section.count) { buffer, count in
            bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) }
            count = section.count
        }
    }

    func write(_ records: [Record], at first: Int) throws {
        try records.withUnsafeBytes { try write($0, at: Self.headerSize + first * Self.recordSize) }
    }

    private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
        var done = 0
        while done < bytes.count {
            let count = retrying {
                pwrite(file.number, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
            }
            guard count >= 0 else { throw ArtifactError(errno: errno, what: "write", path: path) }
            done += count
        }
    }
}

extension Status.Kind {
    fileprivate var bits: UInt32 {
        switch self {
        case .file: UInt32(S_IFREG)
        case .directory: UInt32(S_IFDIR)
        case .link: UInt32(S_IFLNK)
        case .other: 0
        }
    }
}
