extension Repository {
    /// What differs between the trees of two commits, by path in git's order; equal subtrees are not read, nil is an empty tree.
    ///
    /// `export-ignore` plays no part here.
    public func changes(
        from: ObjectID?, to: ObjectID, limits: TreeLimits = TreeLimits()
    ) throws -> [Change] {
        var changes: [Change] = []
        try eachChange(from: from, to: to, limits) { change in
            changes.append(change)
            return true
        }
        return changes
    }

    /// Whether something that differs is as wanted; reads no further than the first.
    public func hasChange(
        from: ObjectID?, to: ObjectID, limits: TreeLimits = TreeLimits(), where isWanted: (Change) -> Bool
    ) throws -> Bool {
        var found = false
        try eachChange(from: from, to: to, limits) { change in
            found = isWanted(change)
            return !found
        }
        return found
    }

    /// Ends early when `goesOn` says no.
    private func eachChange(
        from: ObjectID?, to: ObjectID, _ limits: TreeLimits, _ goesOn: (Change) throws -> Bool
    ) throws {
        let operation = "compare \(from?.abbreviated() ?? "nothing") and \(to.abbreviated())"
        var budget = TreeBudget(limits, operation: operation)
        var levels: [Pair] = []

        func enter(_ old: ObjectID?, _ new: ObjectID?, path: [UInt8]) throws {
            let pair = try Pair(
                old: old.map { try tree($0, path: path, limit: limits.treeBytes, operation) },
                new: new.map { try tree($0, path: path, limit: limits.treeBytes, operation) })
            for tree in pair.trees { try budget.open(tree, depth: levels.count) }
            levels.append(pair)
        }

        let oldTree = try from.map { try treeID(of: $0, operation) }
        let newTree = try treeID(of: to, operation)
        guard oldTree != newTree else { return }
        try enter(oldTree, newTree, path: [])
        while let pair = levels.last {
            guard let (old, new) = try pair.next() else {
                for tree in pair.trees { budget.close(tree) }
                levels.removeLast()
                continue
            }
            guard let name = (new ?? old)?.name, old?.id != new?.id || old?.kind != new?.kind else { continue }
            let path = pair.path(of: name)
            try budget.spend(on: path)
            if (new ?? old)?.kind == .directory {
                try enter(old?.id, new?.id, path: path)
            } else {
                let change = Change(
                    path: path, kind: old == nil ? .added : new == nil ? .removed : .modified,
                    oldKind: old?.kind, newKind: new?.kind, oldID: old?.id, newID: new?.id)
                guard try goesOn(change) else { return }
            }
        }
    }

    /// Two trees read side by side, like the teeth of a zip.
    private final class Pair {
        let trees: [TreeCursor]
        private let old: TreeCursor?
        private let new: TreeCursor?
        private var nextOld: TreeCursor.Entry?
        private var nextNew: TreeCursor.Entry?

        init(old: TreeCursor?, new: TreeCursor?) throws {
            self.old = old
            self.new = new
            trees = [old, new].compactMap { $0 }
            nextOld = try old?.next()
            nextNew = try new?.next()
        }

        func path(of name: [UInt8]) -> [UInt8] { trees.first?.path(of: name) ?? name }

        /// Entries of one name and of one nature, file-like or directory, or the one that the other tree lacks.
        func next() throws -> (old: TreeCursor.Entry?, new: TreeCursor.Entry?)? {
            var result = (old: nextOld, new: nextNew)
            switch (result.old, result.new) {
            case (nil, nil): return nil
            case (let old?, let new?) where old.precedes(new): result.new = nil
            case (let old?, let new?) where new.precedes(old): result.old = nil
            default: break
            }
            if result.old != nil { nextOld = try old?.next() }
            if result.new != nil { nextNew = try new?.next() }
            return result
        }
    }
}
