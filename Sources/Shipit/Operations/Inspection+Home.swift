import CLinux
import Glibc
import Spool

extension Inspection {
    /// Modes and owners of all that must not be read or written by others, workspaces, and processes of builds.
    mutating func inspectHome() throws {
        let home = installation.home
        for folder in [home.apps, "\(home.path)/artifacts", "\(home.path)/runs", home.caches, home.mirrors] {
            inspectMode(folder, 0o700)
        }
        for file in ["", "-wal", "-shm"] { inspectMode(home.ledger + file, 0o600) }
        for file in [home.workerLock, home.workerLog] { inspectMode(file, 0o600) }
        // The repository's group may write it, others may not.
        inspectMode(home.spool, 0o2770, mayBelongToOthers: true)
        for app in apps {
            let folder = home.app(app.name)
            for path in [
                folder, "\(folder)/environments", "\(folder)/hooks", home.artifacts(app.name), home.caches(app.name),
            ] {
                inspectMode(path, 0o700)
            }
            inspectMode(home.policy(app.name), 0o644)
            for name in FileSystem.names(in: "\(folder)/hooks") { inspectMode("\(folder)/hooks/\(name)", 0o755) }
            for name in FileSystem.names(in: "\(folder)/environments") where name.hasSuffix(".env") {
                inspectMode("\(folder)/environments/\(name)", 0o600)
            }
        }
        inspectWork()
        inspectProcesses()
    }

    /// `widest`: the mode with every bit that may be set.
    private mutating func inspectMode(_ path: String, _ widest: mode_t, mayBelongToOthers: Bool = false) {
        guard let status = FileSystem.linkStatus(path) else { return }
        let mode = status.st_mode & 0o7777
        if status.st_uid != geteuid(), !mayBelongToOthers {
            find(
                .owner, at: path, "it belongs to \(User.named(by: status.st_uid)?.name ?? "uid \(status.st_uid)")",
                remedy: "sudo chown \(User.named(by: geteuid())?.name ?? "\(geteuid())") \(path)")
        } else if mode & ~widest != 0 {
            let narrow = mode & widest
            let octal = { (mode: mode_t) in String(mode, radix: 8) }
            find(
                .mode, at: path, "its mode is \(octal(mode)), which lets others in",
                remedy: "chmod \(octal(narrow)) \(path)", repair: .setMode(path, narrow))
        }
    }

    private mutating func inspectWork() {
        guard !isAttended else { return }
        for name in Workspaces.leftovers(installation.home) {
            let path = "\(installation.home.work)/\(name)"
            find(
                .workspaceLeft, .warning, at: path, "a build left it behind, and no worker lives",
                remedy: "the next worker removes it", repair: .removeTree(path))
        }
    }

    /// Nothing of a build outlives it.
    private mutating func inspectProcesses() {
        let builds = Set(running.filter { $0.kind == .build }.map(\.id))
        let prefix = "build-\(installation.home.path)-"
        var seen: Set<String> = []
        for (pid, mark) in ProcessSweep.marks(beginning: prefix) {
            let parts = mark.dropFirst(prefix.count).split(separator: "-", omittingEmptySubsequences: false)
            guard parts.count == 2, let job = Int64(parts[0]), Int(parts[1]) != nil else { continue }
            if isAttended, builds.contains(job) { continue }
            guard seen.insert(mark).inserted else { continue }
            find(
                .processLeft, at: "process \(pid)", "it is left of the build of job \(job)", remedy: "kill \(pid)",
                repair: .endProcesses(mark: mark))
        }
    }

    /// Pushes that nobody takes in, and what killed hooks left.
    mutating func inspectSpool() throws {
        let spool = installation.home.spool
        for name in FileSystem.names(in: spool) {
            let path = "\(spool)/\(name)"
            guard FileSystem.linkStatus(path) != nil else { continue }
            let age = time(nil) - Int(linux_modified_seconds(path))
            if name.hasPrefix(".unreadable-") {
                find(
                    .spoolUnreadable, .warning, at: path, "a push that could not be read was put aside",
                    remedy: "its reference is found by comparing; remove it", repair: .removeFile(path))
            } else if name.hasPrefix(".tmp-") {
                guard age > 3600 else { continue }
                find(
                    .spoolLeftover, .warning, at: path, "a hook that was killed left it behind", remedy: "remove it",
                    repair: .removeFile(path))
            } else if name.hasSuffix(".push") {
                inspectPush(String(name.dropLast(".push".count)), path, age)
            }
        }
    }

    private mutating func inspectPush(_ id: String, _ path: String, _ age: Int) {
        do {
            _ = try SpoolFile.read(id, in: installation.home.spool)
        } catch SpoolError.system(_, _, let code) where code == ENOENT {
            return
        } catch {
            find(
                .spoolUnreadable, at: path, "a push that cannot be read: \(error)",
                remedy: "shipit work puts it aside, and finds the move by comparing")
            return
        }
        if !isAttended {
            find(.spoolWaiting, .warning, at: path, "a push waits, and nobody works", remedy: "shipit work takes it in")
        } else if age > 60 {
            find(
                .spoolWaiting, at: path, "a push has been waiting for \(age) s though a worker lives",
                remedy: "shipit doctor; the worker's log is \(installation.home.workerLog)")
        }
    }
}
