/// What a walk has used of its limits.
struct TreeBudget {
    let limits: TreeLimits
    let operation: String
    private var entries = 0
    private var openBytes = 0

    init(_ limits: TreeLimits, operation: String) {
        self.limits = limits
        self.operation = operation
    }

    mutating func spend(on path: [UInt8]) throws {
        entries += 1
        guard entries <= limits.entries else { throw refusal("it has more than \(limits.entries) entries", at: path) }
        guard path.count <= limits.pathLength else {
            throw refusal("the path has more than \(limits.pathLength) bytes", at: path)
        }
    }

    mutating func open(_ tree: TreeCursor, depth: Int) throws {
        guard depth <= limits.depth else {
            throw refusal("directories are nested more than \(limits.depth) deep", at: tree.path)
        }
        openBytes += tree.byteCount
        guard openBytes <= limits.treeBytes else {
            throw refusal("its directories take more than \(limits.treeBytes) bytes together", at: tree.path)
        }
    }

    mutating func close(_ tree: TreeCursor) { openBytes -= tree.byteCount }

    private func refusal(_ reason: String, at path: [UInt8]) -> GitError {
        GitError(code: .invalid, operation: operation, reason: "\(reason), at \(TreeCursor.shown(path))")
    }
}
