internal import CLibgit2

extension Repository {
    /// The whole blob, up to `inMemoryLimit`.
    public func blob(_ id: ObjectID) throws -> [UInt8] {
        try checkFitsInMemory(try blobSize(id), "read the blob \(id)")
        var bytes: [UInt8] = []
        try readBlob(id) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// From the object's header, so a blob of any size costs the same.
    public func blobSize(_ id: ObjectID) throws -> Int64 {
        let operation = "read the size of the blob \(id)"
        let (kind, size) = try header(of: id, for: operation)
        guard kind == GIT_OBJECT_BLOB else {
            throw GitError(code: .invalid, operation: operation, reason: "it is a \(name(of: kind)), not a blob")
        }
        return size
    }

    /// Hands the blob out in pieces, in order, each valid during its call; memory stays flat whatever the size.
    ///
    /// Above `inMemoryLimit` a loose blob is inflated here, and what was handed out of it counts only when this returns:
    /// its id is checked at the end. A packed one comes from a `git cat-file` child that lives as long as the repository
    /// is open: libgit2 can stream neither.
    public func readBlob(_ id: ObjectID, _ consume: (UnsafeRawBufferPointer) throws -> Void) throws {
        let operation = "read the blob \(id)"
        let size = try blobSize(id)
        if size > Self.inMemoryLimit {
            if let loose = LooseObject(id, in: self, operation: operation) {
                defer { loose.close() }
                return try loose.read(size: size, consume)
            }
            try stream(id, size: size, operation, consume)
        } else {
            let object = try object(id, operation)
            defer { git_odb_object_free(object) }
            try consume(UnsafeRawBufferPointer(start: git_odb_object_data(object), count: git_odb_object_size(object)))
        }
    }

    private func stream(
        _ id: ObjectID, size: Int64, _ operation: String, _ consume: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let stream = try blobStream ?? BlobStream(gitDirectory: path, operation: operation)
        // A stream that stopped midway has bytes of the wrong blob in its pipe, so only a finished one is kept.
        blobStream = nil
        try stream.read(id, size: size, operation: operation, consume)
        blobStream = stream
    }

    /// The caller frees the handle.
    func object(_ id: ObjectID, _ operation: String) throws -> OpaquePointer {
        var oid = try self.oid(of: id, for: operation)
        return try refreshing {
            var object: OpaquePointer?
            try check(operation) { git_odb_read(&object, objects, &oid) }
            guard let object else {
                throw GitError(code: .other, operation: operation, reason: "libgit2 gave no object")
            }
            return object
        }
    }
}
