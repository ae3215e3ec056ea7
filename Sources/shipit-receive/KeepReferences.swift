import Glibc
import Spool

/// References below `refs/shipit/keep` that hold pushed objects against git's garbage collection until the ledger has them.
struct KeepReferences {
    let ids: [[UInt8]]
    private static let limit = 64

    init(for updates: [Push.Update]) {
        var seen: Set<[UInt8]> = []
        var ids: [[UInt8]] = []
        for update in updates where !update.isDelete && ids.count < Self.limit {
            if seen.insert(update.new).inserted { ids.append(update.new) }
        }
        self.ids = ids
    }

    /// A git process costs more than all else that we do, so plain files are written as git would, where that is possible.
    func write(in repository: RepositoryFolder) throws(SystemError) {
        guard !ids.isEmpty else { return }
        if repository.keepsReferencesAsFiles {
            do throws(SystemError) {
                return try writeFiles(in: repository)
            } catch  where error.code != ENOSPC && error.code != EDQUOT && error.code != EIO {
                // Symbolic links, an odd file system, a mode: git knows more ways than we do.
            }
        }
        try writeWithGit(in: repository)
    }
}
