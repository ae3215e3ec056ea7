internal import Glibc

/// Where a repository is, found without climbing: the given folder is one, or its `.git` is.
struct RepositoryLocation {
    /// Real path, without a slash at its end.
    let gitDirectory: String
    /// Differs from `gitDirectory` in linked worktrees only.
    let commonDirectory: String

    init(at path: String, user: uid_t = geteuid()) throws {
        let operation = "open the repository at \(String(neutralising: path.utf8))"
        let given = try Self.realPath(path, operation: operation)
        let directory = try Self.gitDirectory(in: given, operation: operation)
        gitDirectory = directory
        guard access(directory, R_OK | X_OK) == 0 else { throw GitError(errno: errno, operation: operation) }
        let common = Self.text(ofFile: directory + "/commondir")
        commonDirectory = try common.map { try Self.realPath($0, from: directory, operation: operation) } ?? directory
        guard Self.exists(directory + "/HEAD"), Self.exists(commonDirectory + "/objects"),
            Self.exists(commonDirectory + "/refs")
        else {
            throw GitError(
                code: .notFound, operation: operation, reason: "it is not a git repository",
                hint: "shipit init \(path) makes one")
        }
        try checkOwner(against: user, operation: operation)
        try RepositoryFormat.check(
            gitDirectory: gitDirectory, commonDirectory: commonDirectory, operation: operation)
    }

    /// A repository may run programs by its config, so it has to belong to us or to root; root itself may open any.
    private func checkOwner(against user: uid_t, operation: String) throws {
        guard user != 0 else { return }
        for directory in Set([gitDirectory, commonDirectory]) {
            var status = stat()
            guard stat(directory, &status) == 0 else { throw GitError(errno: errno, operation: operation) }
            guard status.st_uid == user || status.st_uid == 0 else {
                throw GitError(
                    code: .notOwned, operation: operation,
                    reason: "it belongs to user \(status.st_uid), and this is user \(user)",
                    hint: "run as user \(status.st_uid), or give the repository away: chown -R \(user) \(directory)")
            }
        }
    }

    private static func gitDirectory(in given: String, operation: String) throws -> String {
        let dotGit = given + "/.git"
        guard exists(dotGit) else { return given }
        guard let link = text(ofFile: dotGit), link.hasPrefix("gitdir: ") else {
            return try realPath(dotGit, operation: operation)
        }
        return try realPath(String(link.dropFirst("gitdir: ".count)), from: given, operation: operation)
    }

    private static func realPath(_ path: String, from folder: String = ".", operation: String) throws -> String {
        let whole = path.hasPrefix("/") || folder == "." ? path : folder + "/" + path
        guard !whole.utf8.contains(0) else {
            throw GitError(code: .invalid, operation: operation, reason: "the path holds a NUL")
        }
        guard let resolved = realpath(whole, nil) else {
            let hint = errno == ENOENT ? "shipit init \(path) makes one" : nil
            throw GitError(errno: errno, operation: operation, hint: hint)
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The first line of a small file such as `commondir`, or nil where there is none.
    private static func text(ofFile path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}
