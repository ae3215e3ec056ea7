import CLinux
import Glibc

/// What the file system says about one file, folder, link or other thing; a link is not followed.
public struct Status: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        case file, directory, link
        /// A device, a pipe or a socket.
        case other
    }

    public let kind: Kind
    /// All twelve bits: set-user-id and its like are seen here.
    public let mode: UInt16
    public let size: Int64
    public let inode: UInt64
    public let device: UInt64
    /// Nanoseconds since 1970.
    public let modified: Int64
    /// Nanoseconds since 1970.
    public let changed: Int64
    public let owner: UInt32
    public let group: UInt32
    public let links: UInt64
}

extension Status {
    init(_ status: stat) {
        var status = status
        kind = Kind(mode: status.st_mode)
        mode = UInt16(truncatingIfNeeded: status.st_mode & 0o7777)
        size = Int64(status.st_size)
        inode = UInt64(status.st_ino)
        device = UInt64(status.st_dev)
        modified = linux_modified(&status)
        changed = linux_changed(&status)
        owner = status.st_uid
        group = status.st_gid
        links = UInt64(status.st_nlink)
    }
}

extension Status.Kind {
    init(mode: mode_t) {
        self =
            switch mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFLNK: .link
            default: .other
            }
    }
}
