import CLinux
import Glibc

/// Starts a worker that outlives the command that needs one, unless somebody works already.
public enum WorkerStarter {
    public static func isAnybodyAtWork(_ installation: Installation) -> Bool { WorkerLock.isHeld(installation.home) }

    /// `program`: shipit's own absolute path. Does nothing when there is nothing to do.
    public static func startIfNeeded(_ installation: Installation, program: String) throws {
        let home = installation.home
        let hasSpool = FileSystem.names(in: home.spool).contains { $0.hasSuffix(".push") }
        guard !WorkerLock.isHeld(home) else { return }
        guard try hasSpool || installation.ledger.hasWork() || Notifier.isNeeded(installation) else { return }
        try start(home, program: program)
    }

    static func start(_ home: Home, program: String) throws {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        for descriptor in Int32(0)...2 {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
        }
        linux_spawn_add_close_from(&actions, 3)
        linux_spawn_add_chdir(&actions, "/")
        var none = sigset_t(), all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        let flags = linux_spawn_new_session() | Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF)
        posix_spawnattr_setflags(&attributes, flags)
        var variables = Command.plainEnvironment
        variables["HOME"] = User.named(by: geteuid())?.home ?? "/"
        variables["SHIPIT_HOME"] = home.path
        if let failpoint = getenv("SHIPIT_FAILPOINT") { variables["SHIPIT_FAILPOINT"] = String(cString: failpoint) }
        let words: [String] = [program, "work", "--detached"]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        let settings: [String] = variables.map { "\($0.key)=\($0.value)" }
        var environment: [UnsafeMutablePointer<CChar>?] = settings.map { strdup($0) } + [nil]
        defer { for pointer in arguments + environment { free(pointer) } }
        var pid = pid_t()
        let code = posix_spawn(&pid, program, &actions, &attributes, &arguments, &environment)
        guard code == 0 else {
            throw ShipitError(
                .failure, "could not start a worker: \(systemReason(code))",
                hint: "shipit work does it in this terminal")
        }
    }
}
