import ArtifactKit
import FoundationEssentials
import GitKit
import Glibc

/// What a workspace held of its revision when its build began, and how the file system stamped it.
///
/// A line for people, then a record for each entry in the order of an export: sizes of trees do not matter, since it is
/// written and read entry by entry.
struct WorkspaceIndex: Sendable {
    /// Under which conditions a workspace was built in; another build has it only under the same.
    struct Head: Codable, Hashable, Sendable {
        var run: Int64
        var revision: ObjectID
        var at: Timestamp
        var boot: String
        var user: UInt32
        var isEnclosed: Bool
        /// The digest of the policy: another list of visible folders or another setting begins afresh.
        var policy: String
        /// The workspace's own folder, so that it cannot be mistaken for another.
        var inode: UInt64
    }

    /// What changes when anything at all is done to a file.
    struct Stamp: Hashable, Sendable {
        let inode: UInt64
        let size: Int64
        let modified: Int64
        let changed: Int64

        init(_ status: ArtifactKit.Status) {
            (inode, size, modified, changed) = (status.inode, status.size, status.modified, status.changed)
        }

        fileprivate init?(_ words: ArraySlice<Substring>) {
            let words = Array(words)
            guard words.count == 4, let inode = UInt64(words[0]), let size = Int64(words[1]),
                let modified = Int64(words[2]), let changed = Int64(words[3])
            else { return nil }
            (self.inode, self.size, self.modified, self.changed) = (inode, size, modified, changed)
        }
    }

    struct Line: Sendable {
        let entry: TreeEntry
        let stamp: Stamp
    }

    let head: Head
    private let lines: ArraySlice<UInt8>
    private let path: String

    /// Nil when there is none.
    init?(at path: String) throws {
        guard let bytes = try FileSystem.read(path, limit: 1 << 30) else { return nil }
        self.path = path
        let end = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
        do { head = try JSONDecoder().decode(Head.self, from: Data(bytes[..<end])) } catch { throw Self.damaged(path) }
        lines = bytes[end...].dropFirst()
    }

    private static func damaged(_ path: String) -> ShipitError { ShipitError(.failure, "\(path) is damaged") }

    /// Goes through both lists in step; an entry without a counterpart comes alone.
    func compare(with entries: [TreeEntry], _ body: (Line?, TreeEntry?) throws -> Void) throws {
        var rest = lines
        var old = try Self.next(&rest, path)
        for new in entries {
            while let line = old, line.entry.path.lexicographicallyPrecedes(new.path) {
                try body(line, nil)
                old = try Self.next(&rest, path)
            }
            if let line = old, line.entry.path == new.path {
                try body(line, new)
                old = try Self.next(&rest, path)
            } else {
                try body(nil, new)
            }
        }
        while let line = old {
            try body(line, nil)
            old = try Self.next(&rest, path)
        }
    }

    private static func next(_ rest: inout ArraySlice<UInt8>, _ path: String) throws -> Line? {
        guard !rest.isEmpty else { return nil }
        guard let end = rest.firstIndex(of: 0) else { throw damaged(path) }
        let parts = rest[..<end].split(separator: UInt8(ascii: " "), maxSplits: 6)
        rest = rest[end...].dropFirst()
        let words = parts.prefix(6).map { String(decoding: $0, as: UTF8.self)[...] }
        guard parts.count == 7, let kind = GitKit.EntryKind(rawValue: String(words[0])), let id = ObjectID(words[1]),
            let stamp = Stamp(words[2...])
        else { throw damaged(path) }
        return Line(entry: TreeEntry(path: Array(parts[6]), kind: kind, id: id), stamp: stamp)
    }

    /// Writes down how the entries lie in `source` now.
    static func write(_ head: Head, _ entries: [TreeEntry], in source: Directory, to folder: Directory, _ name: String)
        throws
    {
        let writer = try folder.createFile(Array(name.utf8), mode: 0o600)
        var bytes = Array(try JSONEncoder().encode(head)) + [UInt8(ascii: "\n")]
        for entry in entries {
            guard let status = try source.metadata(entry.path) else {
                throw ShipitError(.failure, "\(visible(entry.path)) is not in the workspace")
            }
            let stamp = Stamp(status)
            let text =
                "\(entry.kind.rawValue) \(entry.id) \(stamp.inode) \(stamp.size) \(stamp.modified) \(stamp.changed) "
            bytes += Array(text.utf8) + entry.path + [0]
            if bytes.count > 64 << 10 {
                try writer.write(bytes)
                bytes.removeAll(keepingCapacity: true)
            }
        }
        try writer.write(bytes)
        try writer.close()
    }
}
