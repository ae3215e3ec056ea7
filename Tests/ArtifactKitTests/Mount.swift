import Foundation
import Glibc

/// A small file system of its own, for as long as a test needs it.
final class Mount {
    private let path: String
    private var isMounted = true

    init?(at path: String, size: String) {
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(size)") == 0 else { return nil }
        self.path = path
    }

    deinit { unmount() }

    func unmount() {
        if isMounted { umount2(path, Int32(MNT_DETACH)) }
        isMounted = false
    }

    static let isAllowed: Bool = {
        let path = "/tmp/artifactkit-mount-\(UUID().uuidString)"
        mkdir(path, 0o700)
        defer { rmdir(path) }
        guard geteuid() == 0, let mount = Mount(at: path, size: "64k") else { return false }
        mount.unmount()
        return true
    }()
}
