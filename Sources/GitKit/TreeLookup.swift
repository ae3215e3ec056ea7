/// Looks paths up in the tree of one commit; fast when they come sorted, since it stays in the folder it is in.
public final class TreeLookup {
    private struct Level {
        /// The length of the folder's path.
        let end: Int
        let entries: [[UInt8]: (kind: EntryKind, id: ObjectID)]
    }

    private let repository: Repository
    private let operation: String
    private var root: Level
    private var levels: [Level] = []
    private var folder: [UInt8] = []

    public init(_ repository: Repository, _ commit: ObjectID) throws {
        self.repository = repository
        operation = "look paths up in \(commit)"
        root = Level(end: 0, entries: [:])
        root = try read(try repository.treeID(of: commit, operation), at: [])
    }

    /// Nil when the commit has nothing there; links are not followed.
    public func entry(at path: [UInt8]) throws -> TreeEntry? {
        let slash = UInt8(ascii: "/")
        while let last = levels.last, !(path.count > last.end && path[last.end] == slash && path.starts(with: folder)) {
            levels.removeLast()
            folder.removeLast(folder.count - (levels.last?.end ?? 0))
        }
        var start = levels.last.map { $0.end + 1 } ?? 0
        while let end = path[start...].firstIndex(of: slash) {
            guard let next = (levels.last ?? root).entries[Array(path[start..<end])], next.kind == .directory else {
                return nil
            }
            folder = Array(path[..<end])
            levels.append(try read(next.id, at: folder))
            start = end + 1
        }
        return (levels.last ?? root).entries[Array(path[start...])].map {
            TreeEntry(path: path, kind: $0.kind, id: $0.id)
        }
    }

    private func read(_ tree: ObjectID, at path: [UInt8]) throws -> Level {
        let cursor = try repository.tree(tree, path: path, limit: TreeLimits().treeBytes, operation)
        var entries: [[UInt8]: (kind: EntryKind, id: ObjectID)] = [:]
        while let entry = try cursor.next() { entries[entry.name] = (entry.kind, entry.id) }
        return Level(end: path.count, entries: entries)
    }
}
