import CLinux
import Glibc

extension Doctor {
    /// What stands around a build, and what is open without it.
    func walls() async throws -> [Item] {
        var items: [Item] = []
        if let obstacle = await Sandbox.obstacle(as: Sandbox.buildUser) {
            let sees = Sandbox.buildUser.map { "as \($0.name)" } ?? "as you, with your keys and your files"
            items.append(
                Item(
                    .warning, "sandbox",
                    "\(obstacle); builds run \(sees), and can read what that account can, reach the network whatever the policy says, and see other processes",
                    mend: FileSystem.exists(Sandbox.program)
                        ? "sysctl -w kernel.unprivileged_userns_clone=1" : "apt install bubblewrap"))
        } else {
            items.append(
                Item(
                    .ok, "sandbox",
                    "builds are enclosed by bubblewrap; open to them: the network if policy allows it, /usr, and what see: names"
                ))
        }
        if let obstacle = await View.obstacle() {
            items.append(
                Item(
                    .warning, "views",
                    "hook scripts cannot be shown a release where its appspec has it: \(obstacle); such deployments stop before anything is touched",
                    mend: "view: off in the environment, or layout: in-place"))
        } else {
            items.append(Item(.ok, "views", "hook scripts see a release where its appspec has it"))
        }
        let limits = [
            ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
            ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
            (
                "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
                "kernel.apparmor_restrict_unprivileged_userns=0"
            ),
        ]
        for (path, closed, setting) in limits {
            guard let text = try FileSystem.readText(path, limit: 64), text.prefix(while: { !$0.isNewline }) == closed
            else { continue }
            items.append(
                Item(
                    .warning, "user namespaces", "\(path) is \(closed), so builds may not be enclosed",
                    mend: "sysctl -w \(setting)"))
        }
        if !items.contains(where: { $0.name == "user namespaces" }) {
            items.append(Item(.ok, "user namespaces", "accounts without privileges may make them"))
        }
        return items
    }

    /// The home: its file system, its room, and what others could read.
    func state(_ installation: Installation) throws -> [Item] {
        var items = [Item(.ok, "home", home.path)]
        items += disk("home", home.path, needsLocks: true)
        for app in installation.appNames() {
            let folder = "\(home.app(app))/environments"
            for name in FileSystem.names(in: folder) where name.hasSuffix(".env") {
                let path = "\(folder)/\(name)"
                guard let status = FileSystem.linkStatus(path) else { continue }
                let mode = String(status.st_mode & 0o777, radix: 8)
                items.append(
                    status.st_mode & 0o077 == 0
                        ? Item(.ok, "secrets of \(app)", path)
                        : Item(
                            .problem, "secrets of \(app)", "\(path) may be read by others (mode \(mode))",
                            mend: "chmod 600 \(path)"))
            }
        }
        return items
    }

    /// Order comes from the ledger, but people read times; and a certificate or a token may not yet be valid.
    func time(_ installation: Installation) throws -> [Item] {
        let now = Timestamp.now
        // The first of January of the year of this version.
        let release = Timestamp(milliseconds: 1_767_225_600_000)
        if now < release {
            return [
                Item(
                    .warning, "clock", "it says \(now.rfc3339), which is before this shipit was made",
                    mend: "timedatectl set-ntp true")
            ]
        }
        if let newest = try installation.ledger.lastEventTime(), now.milliseconds < newest.milliseconds - 1000 {
            return [
                Item(
                    .warning, "clock", "it says \(now.rfc3339), and the newest event happened at \(newest.rfc3339)",
                    mend: "timedatectl set-ntp true")
            ]
        }
        return [Item(.ok, "clock", now.rfc3339)]
    }

    func worker(_ installation: Installation) throws -> [Item] {
        let hasSystemd = FileSystem.exists("/run/systemd/system")
        var items: [Item] = []
        if FileSystem.exists(home.systemdMarker) {
            items.append(
                hasSystemd
                    ? Item(.ok, "systemd", "shipit.path starts the worker when a push arrives")
                    : Item(
                        .problem, "systemd",
                        "\(home.systemdMarker) says that systemd starts the worker, and systemd does not run",
                        mend: "rm \(home.systemdMarker)"))
        } else {
            items.append(Item(.ok, "systemd", "not in charge: the hook starts a worker"))
        }
        let open = try installation.ledger.openJobs().count
        guard WorkerLock.isHeld(home) else {
            items.append(
                open == 0
                    ? Item(.ok, "worker", "none is needed")
                    : Item(.warning, "worker", "\(open) jobs wait, and nobody works", mend: "shipit work"))
            return items
        }
        guard let worker = try installation.ledger.lastWorker(), worker.boot == Boot.id else {
            items.append(Item(.ok, "worker", "one begins just now"))
            return items
        }
        let silence = Boot.milliseconds - worker.beat
        items.append(
            silence > WorkerLock.patience
                ? Item(
                    .problem, "worker",
                    "process \(worker.pid) is stuck: it last said that it lives \(silence / 1000) s ago",
                    mend: "shipit work")
                : Item(.ok, "worker", "process \(worker.pid) works since \(worker.startedAt.local)"))
        return items
    }

    /// Room and kind of the file system below a path.
    func disk(_ name: String, _ path: String, needsLocks: Bool) -> [Item] {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else {
            return [
                Item(
                    .problem, "disk of \(name)", "could not look at \(path): \(systemReason(errno))",
                    mend: "ls -ld \(path)")
            ]
        }
        var items: [Item] = []
        let free = Int64(status.f_bavail) * Int64(status.f_frsize)
        let all = max(1, Int64(status.f_blocks) * Int64(status.f_frsize))
        let isShort = free < 1 << 30 || free * 20 < all
        items.append(
            Item(
                isShort ? .warning : .ok, "disk of \(name)", "\(free >> 20) MiB of \(all >> 20) MiB free",
                mend: isShort ? "shipit gc" : nil))
        if status.f_flag & UInt(ST_RDONLY) != 0 {
            items.append(
                Item(
                    .problem, "disk of \(name)", "\(path) is on a read-only file system", mend: "mount -o remount,rw …")
            )
        }
        if let kind = FileSystemKind.unsafe(path) {
            items.append(
                Item(
                    needsLocks ? .problem : .warning, "disk of \(name)",
                    "\(path) is on \(kind), where \(needsLocks ? "locks and the ledger's log" : "locks") cannot be trusted",
                    mend: "move it to a local file system"))
        }
        return items
    }
}

/// File systems that are not on this machine, or that a program of somebody's answers for.
enum FileSystemKind {
    /// From statfs(2) and linux/magic.h.
    static let unsafe: [UInt32: String] = [
        0x6969: "NFS", 0x517B: "SMB", 0xFF53_4D42: "CIFS", 0xFE53_4D42: "SMB2", 0x6573_5546: "FUSE", 0x0102_1997: "9P",
        0x5346_414F: "AFS", 0x0BD0_0BD0: "Lustre", 0x00C3_6400: "Ceph",
    ]

    static func unsafe(_ path: String) -> String? {
        var status = statfs()
        guard statfs(path, &status) == 0 else { return nil }
        return unsafe[UInt32(truncatingIfNeeded: status.f_type)]
    }
}
