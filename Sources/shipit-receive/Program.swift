import CLinux
import Glibc

/// A program and the little that it is given.
struct Program {
    let path: [UInt8]
    var arguments: [[UInt8]] = []
    /// Nil: ours.
    var environment: [[UInt8]]?
    /// Nil: nothing to read.
    var input: Int32?
    var isSilent = false
    /// In a session of its own, holding no folder and no descriptor of ours.
    var isDetached = false

    init(path: [UInt8]) { self.path = path }

    /// Returns only if it fails.
    func replaceThisProcess() -> SystemError {
        let null = open("/dev/null", O_RDONLY)
        if null > 0 { dup2(null, STDIN_FILENO) }
        linux_close_from(3)
        signal(SIGPIPE, SIG_DFL)
        signal(SIGHUP, SIG_DFL)
        return failure(
            code: withCStrings { file, arguments, environment in
                execve(file, arguments, environment)
                return errno
            })
    }

    func start() throws(SystemError) -> Child {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        reset(&attributes)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        arrange(&actions)
        var pid: pid_t = 0
        let code = withCStrings { file, arguments, environment in
            posix_spawn(&pid, file, &actions, &attributes, arguments, environment)
        }
        guard code == 0 else { throw failure(code: code) }
        return Child(pid: pid)
    }

    /// No child inherits that we ignore signals.
    private func reset(_ attributes: inout posix_spawnattr_t) {
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        let session = isDetached ? linux_spawn_new_session() : 0
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK) | session)
    }

    private func arrange(_ actions: inout posix_spawn_file_actions_t) {
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        } else {
            posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        }
        if isSilent {
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
            posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        }
        if isDetached { linux_spawn_add_chdir(&actions, "/") }
        linux_spawn_add_close_from(&actions, 3)
    }

    private typealias CList = [UnsafeMutablePointer<CChar>?]

    private func withCStrings(_ body: (UnsafePointer<CChar>, CList, CList) -> Int32) -> Int32 {
        CStrings.with([path] + arguments) { arguments in
            CStrings.with(environment ?? Variable.all) { environment in
                arguments[0].map { body($0, arguments, environment) } ?? EINVAL
            }
        }
    }

    private func failure(code: Int32) -> SystemError {
        SystemError(operation: "run \(String(decoding: path, as: UTF8.self))", code: code)
    }
}
