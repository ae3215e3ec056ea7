internal import CLibgit2
internal import Glibc

/// Whether libgit2 can read a repository's format, asked before it opens it so that the answer can say what to do.
enum RepositoryFormat {
    static func check(gitDirectory: String, commonDirectory: String, operation: String) throws {
        var handle: OpaquePointer?
        defer { git_config_free(handle) }
        try GitKit.check(operation) { git_config_open_ondisk(&handle, commonDirectory + "/config") }
        let settings = try extensionSettings(in: handle, operation: operation)
        var version: Int32 = 0
        // An absent version is version 0, as git reads it.
        if git_config_get_int32(&version, handle, "core.repositoryformatversion") < 0 { version = 0 }
        guard version <= 1 else {
            throw GitError(
                code: .unsupportedExtension, operation: operation,
                reason: "its format version is \(version), and this program reads 0 and 1",
                hint: "clone it with git and use the clone: git clone --bare \(gitDirectory) NEW.git")
        }
        for (name, value) in settings {
            guard let problem = problem(with: name, value: value, version: version, in: gitDirectory) else { continue }
            throw GitError(
                code: .unsupportedExtension, operation: operation,
                reason: "it uses the extension \(problem.name), which \(problem.cause)", hint: problem.hint)
        }
    }

    private static func extensionSettings(in config: OpaquePointer?, operation: String) throws -> [(String, String)] {
        var iterator: OpaquePointer?
        // libgit2 1.5.1 leaks 20 KiB for each key that it compares with a pattern, so we look for ourselves.
        try GitKit.check(operation) { git_config_iterator_new(&iterator, config) }
        defer { git_config_iterator_free(iterator) }
        var settings: [(String, String)] = []
        var entry: UnsafeMutablePointer<git_config_entry>?
        while git_config_next(&entry, iterator) == 0, let entry {
            let key = String(cString: entry.pointee.name)
            guard key.hasPrefix("extensions.") else { continue }
            let name = key.dropFirst("extensions.".count)
            let value = entry.pointee.value.map { String(cString: $0) } ?? ""
            settings.append((String(neutralising: name.utf8), String(neutralising: value.utf8)))
        }
        return settings
    }

    private struct Problem {
        let name: String
        /// Completes "it uses the extension …, which …".
        let cause: String
        let hint: String
    }

    private static func problem(with name: String, value: String, version: Int32, in path: String) -> Problem? {
        let conversion = "make a plain copy and use it: git clone --bare"
        switch name.lowercased() {
        case "objectformat" where value.lowercased() != "sha1":
            return Problem(
                name: "objectFormat = \(value)", cause: "git init --object-format=\(value) turns on",
                hint: "\(path) needs to be made again with sha1 ids: git init --bare --object-format=sha1 NEW.git, "
                    + "then push to it")
        case "refstorage" where value.lowercased() != "files":
            return Problem(
                name: "refStorage = \(value)", cause: "git init --ref-format=\(value) turns on",
                hint: "git -C \(path) refs migrate --ref-format=files (git 2.46 and later), or \(conversion) "
                    + "--ref-format=files \(path) NEW.git")
        case "partialclone":
            return Problem(
                name: "partialClone = \(value)",
                cause: "git clone --filter turns on and which leaves blobs out of the repository",
                hint: "\(conversion) from the place it was cloned from, without --filter")
        case "noop": return nil
        case let known where Library.harmlessExtensions.contains(known): return nil
        default:
            // With version 0 git itself ignores what it does not know.
            guard version == 1 else { return nil }
            return Problem(
                name: name, cause: "a newer git or another program turned on (git config extensions.\(name))",
                hint: "\(conversion) \(path) NEW.git")
        }
    }
}
