internal import CLibgit2

extension Repository {
    /// Visits what `git archive` would pack: each directory before its content, in git's order, without what
    /// `export-ignore` leaves out.
    ///
    /// Like `git archive` it leaves out directories in which there is nothing but left-out directories. Hostile names,
    /// doubled entries and trees beyond the limits are refused as they are met, so entries visited before that are not
    /// to be trusted until the walk has returned. Attributes come from the commit alone, not from `info/attributes`.
    /// Gives whether the commit has attributes that could leave something out.
    @discardableResult
    public func walkTree(
        of commit: ObjectID, limits: TreeLimits = TreeLimits(), _ visit: (TreeEntry) throws -> Void
    ) throws -> Bool {
        let operation = "read the tree of \(commit)"
        var budget = TreeBudget(limits, operation: operation)
        var ignored = ExportIgnore(operation: operation)
        var levels: [Level] = []

        func enter(_ directory: TreeEntry?, tree: ObjectID) throws {
            let cursor = try self.tree(tree, path: directory?.path ?? [], limit: limits.treeBytes, operation)
            try budget.open(cursor, depth: levels.count)
            ignored.push(try attributes(in: cursor, limits, operation), at: cursor.path)
            levels.append(Level(cursor: cursor, pending: directory))
        }

        try enter(nil, tree: treeID(of: commit, operation))
        while let cursor = levels.last?.cursor {
            guard let entry = try cursor.next() else {
                ignored.pop()
                budget.close(cursor)
                levels.removeLast()
                continue
            }
            let found = TreeEntry(path: cursor.path(of: entry.name), kind: entry.kind, id: entry.id)
            try budget.spend(on: found.path)
            let isIgnored = try ignored.contains(found)
            if found.kind == .directory {
                if !isIgnored { try enter(found, tree: found.id) }
                continue
            }
            // git archive makes the folders once it meets anything but a folder in them, left out or not.
            for index in levels.indices {
                guard let directory = levels[index].pending else { continue }
                levels[index].pending = nil
                try visit(directory)
            }
            if !isIgnored { try visit(found) }
        }
        return !ignored.isIdle
    }

    /// The entry at one path of a commit, links not followed; the empty path is the root.
    public func file(at path: String, in commit: ObjectID) throws -> (kind: EntryKind, id: ObjectID)? {
        let operation = "look \(String(escaping: Array(path.utf8))) up in \(commit)"
        var found = (kind: EntryKind.directory, id: try treeID(of: commit, operation))
        for name in path.utf8.split(separator: UInt8(ascii: "/")) {
            guard found.kind == .directory else { return nil }
            let cursor = try tree(found.id, path: [], limit: TreeLimits().treeBytes, operation)
            var match: TreeCursor.Entry?
            while match == nil, let entry = try cursor.next() {
                if entry.name.elementsEqual(name) { match = entry }
            }
            guard let match else { return nil }
            found = (match.kind, match.id)
        }
        return found
    }

    private struct Level {
        let cursor: TreeCursor
        /// The directory itself until it has been visited.
        var pending: TreeEntry?
    }

    func treeID(of commit: ObjectID, _ operation: String) throws -> ObjectID {
        guard let id = try commitID(of: commit) else {
            throw GitError(code: .invalid, operation: operation, reason: "it is not a commit")
        }
        return try self.commit(id).tree
    }

    func tree(_ id: ObjectID, path: [UInt8], limit: Int, _ operation: String) throws -> TreeCursor {
        let (kind, size) = try header(of: id, for: operation)
        guard kind == GIT_OBJECT_TREE else {
            throw GitError(
                code: .corrupt, operation: operation,
                reason: "\(TreeCursor.shown(path)) is a \(name(of: kind)), not a tree")
        }
        guard size <= limit else {
            throw GitError(
                code: .invalid, operation: operation,
                reason: "the list of \(TreeCursor.shown(path)) has \(size) bytes, and at most \(limit) are read")
        }
        return TreeCursor(object: try object(id, operation), path: path, operation: operation)
    }

    private func attributes(
        in tree: TreeCursor, _ limits: TreeLimits, _ operation: String
    ) throws -> AttributeFile? {
        guard let entry = try tree.file(named: ".gitattributes"), [.file, .executable].contains(entry.kind) else {
            return nil
        }
        let size = try blobSize(entry.id)
        guard size <= limits.attributeBytes else {
            throw GitError(
                code: .invalid, operation: operation,
                reason: "\(TreeCursor.shown(tree.path(of: entry.name))) has \(size) bytes, and at most "
                    + "\(limits.attributeBytes) are read")
        }
        return AttributeFile(try blob(entry.id), allowsMacros: tree.path.isEmpty)
    }
}
