internal import CLibgit2

extension Repository {
    /// The version of libgit2 that is at work, which may be newer than the one it was built with.
    public static var libraryVersion: String {
        var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
        git_libgit2_version(&major, &minor, &patch)
        return "\(major).\(minor).\(patch)"
    }
}
