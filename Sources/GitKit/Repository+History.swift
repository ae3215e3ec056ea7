internal import CLibgit2

extension Repository {
    /// Whether `a` is reachable from `b`, a commit being its own ancestor; nil where missing history hides the answer.
    public func isAncestor(_ a: ObjectID, of b: ObjectID) throws -> Bool? {
        guard let ancestor = try existingCommit(a), let descendant = try existingCommit(b) else { return nil }
        guard ancestor != descendant else { return true }
        let operation = "compare \(a.abbreviated()) and \(b.abbreviated())"
        var ancestorOID = try oid(of: ancestor, for: operation)
        var descendantOID = try oid(of: descendant, for: operation)
        let result = git_graph_descendant_of(handle, &descendantOID, &ancestorOID)
        guard result == GIT_ENOTFOUND.rawValue else { return try check(operation) { result } == 1 }
        // Some parent is missing: what can be seen may still say yes.
        let seen = try visibleHistory(of: descendant)
        return seen.commits.contains(ancestor) ? true : (seen.complete ? false : nil)
    }

    /// The best common ancestor; nil when there is none, or none that can be seen.
    public func mergeBase(_ a: ObjectID, _ b: ObjectID) throws -> ObjectID? {
        guard let one = try existingCommit(a), let two = try existingCommit(b) else { return nil }
        let operation = "find where \(a.abbreviated()) and \(b.abbreviated()) parted"
        var first = try oid(of: one, for: operation)
        var second = try oid(of: two, for: operation)
        var base = git_oid()
        let result = git_merge_base(&base, handle, &first, &second)
        guard result != GIT_ENOTFOUND.rawValue else { return nil }
        try check(operation) { result }
        return ObjectID(base)
    }

    /// What is reachable from `to` and not from `from`, children before parents, newest first.
    ///
    /// Incomplete when the limit cut it, when `from` is gone, or when history is missing (a shallow repository).
    public func commits(
        from: ObjectID?, to: ObjectID, limit: Int
    ) throws -> (commits: [Commit], complete: Bool) {
        let operation = "list the commits up to \(to.abbreviated())"
        guard let end = try commitID(of: to) else {
            throw GitError(code: .invalid, operation: operation, reason: "it is not a commit")
        }
        let start = try from.flatMap { try existingCommit($0) }
        let startIsKnown = from == nil || start != nil
        let walked: (ids: [ObjectID], complete: Bool)
        do {
            walked = try revisionWalk(from: start, to: end, limit: limit, operation)
        } catch let error as GitError where error.code == .notFound {
            walked = try visibleWalk(from: start, to: end, limit: limit)
        }
        let commits = try walked.ids.map { try commit($0) }
        return (Self.childrenFirst(commits), walked.complete && startIsKnown)
    }

    private func revisionWalk(
        from: ObjectID?, to: ObjectID, limit: Int, _ operation: String
    ) throws -> (ids: [ObjectID], complete: Bool) {
        var walk: OpaquePointer?
        defer { git_revwalk_free(walk) }
        // Left unsorted it goes by date and reads no more than is asked for; every other sorting loads all of history.
        try check(operation) { git_revwalk_new(&walk, handle) }
        var end = try oid(of: to, for: operation)
        try check(operation) { git_revwalk_push(walk, &end) }
        if let from {
            var start = try oid(of: from, for: operation)
            try check(operation) { git_revwalk_hide(walk, &start) }
        }
        var ids: [ObjectID] = []
        while true {
            var oid = git_oid()
            let result = git_revwalk_next(&oid, walk)
            if result == GIT_ITEROVER.rawValue { return (ids, true) }
            try check(operation) { result }
            guard ids.count < limit else { return (ids, false) }
            ids.append(ObjectID(oid))
        }
    }

    private func visibleWalk(from: ObjectID?, to: ObjectID, limit: Int) throws -> (ids: [ObjectID], complete: Bool) {
        let hidden = try from.map { try visibleHistory(of: $0).commits } ?? []
        let seen = try visibleHistory(of: to, except: hidden, limit: limit)
        return (seen.order, seen.complete)
    }

    /// Breadth first through the parents that are there, bounded, for histories with holes.
    private func visibleHistory(
        of id: ObjectID, except hidden: Set<ObjectID> = [], limit: Int = 200_000
    ) throws -> (commits: Set<ObjectID>, order: [ObjectID], complete: Bool) {
        guard !hidden.contains(id) else { return ([], [], true) }
        var seen: Set<ObjectID> = [id]
        var order: [ObjectID] = [id]
        var complete = true
        var next = 0
        while next < order.count {
            let parents = try commit(order[next]).parents
            next += 1
            for parent in parents where !hidden.contains(parent) && !seen.contains(parent) {
                guard contains(parent), order.count < limit else {
                    complete = false
                    continue
                }
                seen.insert(parent)
                order.append(parent)
            }
        }
        return (seen, order, complete)
    }

    /// The commit behind an id, or nil when it is not there or is no commit.
    private func existingCommit(_ id: ObjectID) throws -> ObjectID? {
        do {
            return try commitID(of: id)
        } catch let error as GitError where error.code == .notFound {
            return nil
        }
    }

    /// Keeps the given order as far as children can stand before their parents; clocks lie.
    private static func childrenFirst(_ commits: [Commit]) -> [Commit] {
        let places = Dictionary(commits.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        var waitingChildren = [Int](repeating: 0, count: commits.count)
        for commit in commits {
            for place in commit.parents.compactMap({ places[$0] }) { waitingChildren[place] += 1 }
        }
        var ready = commits.indices.filter { waitingChildren[$0] == 0 }.reversed().map { $0 }
        var sorted: [Commit] = []
        while let place = ready.popLast() {
            sorted.append(commits[place])
            for parent in commits[place].parents.compactMap({ places[$0] }).sorted(by: >) {
                waitingChildren[parent] -= 1
                if waitingChildren[parent] == 0 { ready.append(parent) }
            }
        }
        return sorted
    }
}
