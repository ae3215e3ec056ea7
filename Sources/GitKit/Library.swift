internal import CLibgit2

/// libgit2's settings, which belong to the whole process and are made once.
enum Library {
    /// Extensions that change nothing for who reads objects and references; `RepositoryFormat` has looked at their values.
    static let harmlessExtensions = [
        "objectformat", "refstorage", "preciousobjects", "worktreeconfig", "relativeworktrees",
    ]

    static let result: Result<Void, any Error> = Result { try start() }

    private static func start() throws {
        let operation = "start libgit2"
        try check(operation) { git_libgit2_init() }
        // Ours names both users and the way out; libgit2 1.5.1's only says that safe.directory is missing.
        try check(operation) { shipit_git_set_owner_validation(0) }
        try ignoreConfigurationOutsideRepositories(operation)
        try keepMemorySmall(operation)
        // git's core.fsync is unknown to libgit2, and our references keep revisions from being collected.
        try check(operation) { shipit_git_set_fsync(1) }
        try acceptHarmlessExtensions(operation)
    }

    private static func ignoreConfigurationOutsideRepositories(_ operation: String) throws {
        for level in [
            GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL,
        ] {
            // Nothing can ever be below it. With no path at all, a repository that includes "~/…" would not open.
            try check(operation) { shipit_git_set_search_path(level.rawValue, "/dev/null") }
        }
    }

    private static func keepMemorySmall(_ operation: String) throws {
        try check(operation) { shipit_git_set_cache_max_size(8 << 20) }
        try check(operation) { shipit_git_set_mwindow_size(1 << 20) }
        try check(operation) { shipit_git_set_mwindow_mapped_limit(8 << 20) }
        try check(operation) { shipit_git_set_mwindow_file_limit(256) }
        try check(operation) { shipit_git_set_pack_max_objects(50_000_000) }
        try check(operation) { shipit_git_set_pack_max_object_size(64 << 20) }
    }

    private static func acceptHarmlessExtensions(_ operation: String) throws {
        // libgit2 copies the names.
        let names = harmlessExtensions.map { $0.utf8CString }
        var pointers: [UnsafePointer<CChar>?] = []
        func collect(_ index: Int) throws {
            guard index < names.count else {
                try check(operation) { shipit_git_set_extensions(&pointers, pointers.count) }
                return
            }
            try names[index].withUnsafeBufferPointer {
                pointers.append($0.baseAddress)
                try collect(index + 1)
            }
        }
        try collect(0)
    }
}
