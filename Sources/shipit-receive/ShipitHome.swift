import CLinux
import Glibc

/// The folder of the shipit that takes this push from here.
struct ShipitHome {
    let path: String
    let owner: uid_t

    init(at path: String) throws(SystemError) {
        self.path = path
        var status = stat()
        guard stat(path, &status) == 0 else { throw SystemError(operation: "look at \(path)", code: errno) }
        owner = status.st_uid
    }

    var spool: String { path + "/spool" }

    var isOurs: Bool { owner == geteuid() }

    /// Whether systemd watches the spool and starts the worker.
    var isWatched: Bool { access(path + "/systemd", F_OK) == 0 }

    var ownerName: String {
        Account(of: owner).map { String(decoding: $0.name, as: UTF8.self) } ?? "number \(owner)"
    }

    /// Held by a worker for as long as it works, and by us only to see whether one does.
    func hasWorker() throws(SystemError) -> Bool {
        let lock = open(path + "/worker.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw SystemError(operation: "open the worker's lock", code: errno) }
        defer { close(lock) }
        if flock(lock, LOCK_EX | LOCK_NB) == 0 { return false }
        guard errno == EWOULDBLOCK else { throw SystemError(operation: "try the worker's lock", code: errno) }
        return true
    }
}
