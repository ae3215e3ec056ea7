internal import CLibgit2

/// An open repository: opens and closes with the value, stays in the task that opened it, and hands out copies.
///
/// Only the repository's own config is read. One that belongs to another user is refused, except that root may open
/// any and anyone may open root's.
public final class Repository {
    /// Blobs above this are not held in memory: `readBlob` streams them.
    public static let inMemoryLimit: Int64 = 8 << 20

    /// The real path of the git directory, without a slash at its end.
    public let path: String

    let handle: OpaquePointer
    let objects: OpaquePointer
    let commonDirectory: String
    var blobStream: BlobStream?

    /// Opens exactly this folder, or its `.git` when it is a worktree; no folder above it is tried.
    public init(at path: String) throws {
        try Self.globalSetUp()
        let location = try RepositoryLocation(at: path)
        let operation = "open the repository at \(location.gitDirectory)"
        var handle: OpaquePointer?
        var objects: OpaquePointer?
        let flags = GIT_REPOSITORY_OPEN_NO_SEARCH.rawValue | GIT_REPOSITORY_OPEN_BARE.rawValue
        try check(operation) { git_repository_open_ext(&handle, location.gitDirectory, flags, nil) }
        do {
            try check(operation) { git_repository_odb(&objects, handle) }
        } catch {
            git_repository_free(handle)
            throw error
        }
        guard let handle, let objects else {
            throw GitError(code: .other, operation: operation, reason: "libgit2 gave no handle")
        }
        self.handle = handle
        self.objects = objects
        self.path = location.gitDirectory
        commonDirectory = location.commonDirectory
    }

    deinit {
        git_odb_free(objects)
        git_repository_free(handle)
    }

    /// Prepares libgit2 for the process, once; opening a repository does it too.
    public static func globalSetUp() throws { try Library.result.get() }

    /// What core.bare says, or else whether the folder is called other than `.git`.
    public var isBare: Bool {
        var config: OpaquePointer?
        defer { git_config_free(config) }
        var value: Int32 = 0
        guard git_repository_config_snapshot(&config, handle) == 0,
            git_config_get_bool(&value, config, "core.bare") == 0
        else { return !path.hasSuffix("/.git") }
        return value != 0
    }

    /// True where history ends before its beginning; ancestry may then be unknown.
    public var isShallow: Bool { git_repository_is_shallow(handle) == 1 }

    /// The value that this repository's own config files give a key, read anew each time.
    public func config(_ key: String) throws -> String? {
        let operation = "read \(String(neutralising: key.utf8)) from the config of \(path)"
        var config: OpaquePointer?
        defer { git_config_free(config) }
        try check(operation) { git_repository_config_snapshot(&config, handle) }
        var value: UnsafePointer<CChar>?
        let result = git_config_get_string(&value, config, key)
        guard result != GIT_ENOTFOUND.rawValue else { return nil }
        try check(operation) { result }
        return value.map { String(cString: $0) }
    }

    /// Reads objects, and once more with a fresh look at the disk if that fails: a gc may have moved them meanwhile.
    func refreshing<Result>(_ read: () throws -> Result) throws -> Result {
        do {
            return try read()
        } catch let error as GitError where [.notFound, .corrupt, .other].contains(error.code) {
            try check(error.operation) { git_odb_refresh(objects) }
            return try read()
        }
    }
}
