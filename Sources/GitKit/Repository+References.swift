internal import CLibgit2
internal import Glibc

extension Repository {
    /// The branch that HEAD names, even one without a commit; nil when HEAD is detached.
    public var head: ReferenceName? {
        get throws {
            var reference: OpaquePointer?
            defer { git_reference_free(reference) }
            try check("read HEAD of \(path)") { git_reference_lookup(&reference, handle, "HEAD") }
            return git_reference_symbolic_target(reference).map(ReferenceName.init(cString:))
        }
    }

    /// What a reference holds after following symbolic ones, possibly a tag object; nil for absent and impossible names.
    public func target(of name: ReferenceName) throws -> ObjectID? {
        var oid = git_oid()
        let result = name.withCString { git_reference_name_to_id(&oid, handle, $0) }
        guard let result, ![GIT_ENOTFOUND.rawValue, GIT_EINVALIDSPEC.rawValue].contains(result) else { return nil }
        try check("read the reference \(name)") { result }
        return ObjectID(oid)
    }

    /// Those whose names begin with the prefix, sorted by name, loose or packed; symbolic ones resolved, dangling ones left out.
    public func references(under prefix: String) throws -> [(ReferenceName, ObjectID)] {
        let operation = "list the references of \(path)"
        var iterator: OpaquePointer?
        try check(operation) { git_reference_iterator_new(&iterator, handle) }
        defer { git_reference_iterator_free(iterator) }
        var found: [(ReferenceName, ObjectID)] = []
        while true {
            var reference: OpaquePointer?
            defer { git_reference_free(reference) }
            let result = git_reference_next(&reference, iterator)
            if result == GIT_ITEROVER.rawValue { break }
            try check(operation) { result }
            guard let text = git_reference_name(reference) else { continue }
            let name = ReferenceName(cString: text)
            guard name.bytes.starts(with: prefix.utf8) else { continue }
            if let oid = git_reference_target(reference) {
                found.append((name, ObjectID(oid.pointee)))
            } else if let id = try target(of: name) {
                found.append((name, id))
            }
        }
        return found.sorted { $0.0.bytes.lexicographicallyPrecedes($1.0.bytes) }
    }

    /// Creates the reference or moves it, whatever it held, even rubbish; the object has to exist.
    public func setReference(_ name: ReferenceName, to id: ObjectID) throws {
        let operation = "set the reference \(name) to \(id.abbreviated())"
        var oid = try self.oid(of: id, for: operation)
        func create() throws {
            try write(name, operation) { text in
                var reference: OpaquePointer?
                defer { git_reference_free(reference) }
                return git_reference_create(&reference, handle, text, &oid, 1, nil)
            }
        }
        do {
            try create()
        } catch let error as GitError where error.code == .corrupt && contains(id) {
            // A power cut may have left an empty file, which libgit2 deletes but does not overwrite.
            try deleteReference(name)
            try create()
        }
    }

    /// An absent reference is fine.
    public func deleteReference(_ name: ReferenceName) throws {
        try write(name, "delete the reference \(name)", allowing: [GIT_ENOTFOUND, GIT_EINVALIDSPEC]) {
            git_reference_remove(handle, $0)
        }
    }

    /// Moves, creates or deletes the reference if it holds what the caller saw; nil and zero ids stand for "absent".
    public func compareAndSetReference(_ name: ReferenceName, from: ObjectID?, to: ObjectID?) throws -> Bool {
        let operation = "move the reference \(name)"
        let old = from.flatMap { $0.isZero ? nil : $0 }
        guard let new = to.flatMap({ $0.isZero ? nil : $0 }) else {
            return try delete(name, ifHolding: old, operation)
        }
        var newOID = try oid(of: new, for: operation)
        guard contains(new) else {
            throw GitError(code: .notFound, operation: operation, reason: "there is no object \(new)")
        }
        var oldOID = try old.map { try oid(of: $0, for: operation) } ?? git_oid()
        let result = try write(name, operation, allowing: [GIT_EEXISTS, GIT_EMODIFIED, GIT_ENOTFOUND]) { text in
            var reference: OpaquePointer?
            defer { git_reference_free(reference) }
            return old == nil
                ? git_reference_create(&reference, handle, text, &newOID, 0, nil)
                : git_reference_create_matching(&reference, handle, text, &newOID, 1, &oldOID, nil)
        }
        return result == 0
    }

    private func delete(_ name: ReferenceName, ifHolding old: ObjectID?, _ operation: String) throws -> Bool {
        guard let old else { return try target(of: name) == nil }
        let result = try write(name, operation, allowing: [GIT_ENOTFOUND, GIT_EMODIFIED]) { text in
            var reference: OpaquePointer?
            defer { git_reference_free(reference) }
            let result = git_reference_lookup(&reference, handle, text)
            guard result == 0 else { return result }
            guard git_reference_target(reference).map({ ObjectID($0.pointee) }) == old else {
                return GIT_EMODIFIED.rawValue
            }
            // Compares once more under the reference's lock.
            return git_reference_delete(reference)
        }
        return result == 0
    }

    /// Tries for a second while another process, such as a push, holds the reference's lock.
    @discardableResult
    private func write(
        _ name: ReferenceName, _ operation: String, allowing: [git_error_code] = [],
        _ call: (UnsafePointer<CChar>) -> Int32
    ) throws -> Int32 {
        for attempt in 1... {
            guard let result = name.withCString(call) else { break }
            if result == GIT_ELOCKED.rawValue, attempt < 100 {
                usleep(10_000)
            } else if allowing.contains(where: { $0.rawValue == result }) {
                return result
            } else {
                return try check(operation) { result }
            }
        }
        throw GitError(code: .invalid, operation: operation, reason: "the name holds a NUL")
    }
}

extension ReferenceName {
    init(cString: UnsafePointer<CChar>) {
        self.init(bytes: Array(UnsafeRawBufferPointer(start: cString, count: strlen(cString))))
    }
}
