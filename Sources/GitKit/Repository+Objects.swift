internal import CLibgit2

extension Repository {
    /// `lookingAgain`: whether packs that came since the last look count too, which costs more than all else here.
    public func contains(_ id: ObjectID, lookingAgain: Bool = true) -> Bool {
        guard var oid = id.oid, !id.isZero else { return false }
        return git_odb_exists_ext(objects, &oid, lookingAgain ? 0 : GIT_ODB_LOOKUP_NO_REFRESH.rawValue) == 1
    }

    /// The object whose id begins with 4 to 64 hex digits that a person typed; commits, trees and blobs all count.
    public func resolve(prefix: String) throws -> ObjectID {
        let operation = "find the object \(String(neutralising: prefix.utf8.prefix(80)))"
        let digits = Array(prefix.utf8)
        guard (4...64).contains(digits.count), digits.allSatisfy({ ObjectID.value(ofHexDigit: $0) != nil }) else {
            throw GitError(code: .invalid, operation: operation, reason: "a revision is 4 to 64 hex digits")
        }
        guard digits.count <= 40,
            let padded = ObjectID(prefix + String(repeating: "0", count: 40 - digits.count)), var oid = padded.oid
        else {
            throw GitError(code: .notFound, operation: operation, reason: "this repository's ids have 40 digits")
        }
        return try refreshing {
            var found = git_oid()
            let result = git_odb_exists_prefix(&found, objects, &oid, digits.count)
            if result == GIT_EAMBIGUOUS.rawValue {
                throw GitError(
                    code: .ambiguous, operation: operation, reason: "several objects begin like that",
                    hint: "give more digits")
            }
            if result == GIT_ENOTFOUND.rawValue {
                throw GitError(code: .notFound, operation: operation, reason: "no object begins like that")
            }
            try check(operation) { result }
            return ObjectID(found)
        }
    }

    /// The commit that an id stands for after any tags, or nil when that is a tree or a blob.
    public func commitID(of id: ObjectID) throws -> ObjectID? {
        let operation = "find the commit of \(id)"
        var current = id
        for _ in 0..<100 {
            let (kind, size) = try header(of: current, for: operation)
            guard kind == GIT_OBJECT_TAG else { return kind == GIT_OBJECT_COMMIT ? current : nil }
            current = try tagTarget(current, size: size, for: operation)
        }
        throw GitError(code: .invalid, operation: operation, reason: "more than 100 tags point at each other")
    }

    public func commit(_ id: ObjectID) throws -> Commit {
        let operation = "read the commit \(id)"
        var oid = try self.oid(of: id, for: operation)
        let (kind, size) = try header(of: id, for: operation)
        guard kind == GIT_OBJECT_COMMIT else {
            throw GitError(code: .invalid, operation: operation, reason: "it is a \(name(of: kind)), not a commit")
        }
        try checkFitsInMemory(size, operation)
        return try refreshing {
            var handle: OpaquePointer?
            defer { git_commit_free(handle) }
            try check(operation) { git_commit_lookup(&handle, self.handle, &oid) }
            return Commit(id: id, handle: handle)
        }
    }

    private func tagTarget(_ id: ObjectID, size: Int64, for operation: String) throws -> ObjectID {
        try checkFitsInMemory(size, operation)
        var oid = try self.oid(of: id, for: operation)
        return try refreshing {
            var tag: OpaquePointer?
            defer { git_tag_free(tag) }
            try check(operation) { git_tag_lookup(&tag, handle, &oid) }
            guard let target = git_tag_target_id(tag) else {
                throw GitError(code: .corrupt, operation: operation, reason: "the tag \(id) has no target")
            }
            return ObjectID(target.pointee)
        }
    }

    /// Kind and size of an object without reading it whole.
    func header(of id: ObjectID, for operation: String) throws -> (kind: git_object_t, size: Int64) {
        var oid = try self.oid(of: id, for: operation)
        return try refreshing {
            var size = 0
            var kind = GIT_OBJECT_INVALID
            try check(operation) { git_odb_read_header(&size, &kind, objects, &oid) }
            return (kind, Int64(size))
        }
    }

    func oid(of id: ObjectID, for operation: String) throws -> git_oid {
        guard let oid = id.oid else {
            throw GitError(
                code: .notFound, operation: operation, reason: "\(id) is a sha256 id, and the repository has sha1 ids")
        }
        guard !id.isZero else {
            throw GitError(code: .notFound, operation: operation, reason: "the zero id stands for no object")
        }
        return oid
    }

    func checkFitsInMemory(_ size: Int64, _ operation: String) throws {
        guard size <= Self.inMemoryLimit else {
            throw GitError(
                code: .invalid, operation: operation,
                reason: "it has \(size) bytes, and at most \(Self.inMemoryLimit) are held in memory")
        }
    }

    func name(of kind: git_object_t) -> String {
        switch kind {
        case GIT_OBJECT_COMMIT: "commit"
        case GIT_OBJECT_TREE: "tree"
        case GIT_OBJECT_BLOB: "blob"
        case GIT_OBJECT_TAG: "tag"
        default: "object of unknown kind"
        }
    }
}
