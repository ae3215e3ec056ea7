import CLinux
import Glibc

/// The walls around a build: bubblewrap's arguments as a value.
///
/// The root is made from a list, so what is not named here does not exist inside. A build never has the host's uid 0:
/// root as it sees itself comes from a user namespace.
struct Sandbox: Hashable, Sendable {
    static let program = "/usr/bin/bwrap"

    /// Inside, whatever the path of the workspace outside: same commit, same paths, same bytes.
    static let source = "/build/source"
    static let control = "/build/.control"
    static let home = "/root"

    var network: Bool
    var see: [String]

    /// Parts of /etc without which programs find no names, certificates or libraries.
    private static let etc = [
        "alternatives", "ca-certificates", "ca-certificates.conf", "debian_version", "fonts", "gai.conf", "group",
        "host.conf", "hosts", "java-11-openjdk", "java-17-openjdk", "java-21-openjdk", "ld.so.cache", "ld.so.conf",
        "ld.so.conf.d", "localtime", "magic", "maven", "mime.types", "networks", "nsswitch.conf", "os-release",
        "passwd",
        "perl", "pki", "protocols", "python3", "python3.11", "resolv.conf", "services", "ssl", "timezone",
    ]

    /// The command, enclosed: argv in, argv out.
    func enclosing(_ command: Command, workspace: Workspace) -> Command {
        var arguments = ["--unshare-all"]
        if network { arguments.append("--share-net") }
        arguments += ["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--uid", "0", "--gid", "0"]
        arguments += ["--hostname", "build", "--ro-bind", "/usr", "/usr"]
        for folder in ["/bin", "/sbin", "/lib", "/lib64", "/lib32"] { arguments += Self.systemFolder(folder) }
        for name in Self.etc { arguments += ["--ro-bind-try", "/etc/\(name)", "/etc/\(name)"] }
        for folder in see { arguments += ["--ro-bind", folder, folder] }
        arguments += ["--proc", "/proc", "--dev", "/dev", "--bind", workspace.temporary, "/tmp"]
        arguments += ["--bind", workspace.home, Self.home, "--dir", "/run", "--dir", "/var/tmp"]
        arguments += ["--bind", workspace.source, Self.source, "--bind", workspace.control, Self.control]
        arguments += ["--chdir", command.directory, "--clearenv"]
        var environment = command.environment
        if let mark = command.mark { environment["SHIPIT_MARK"] = mark }
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) { arguments += ["--setenv", name, value] }
        arguments += ["--", command.program] + command.arguments
        var enclosed = command
        enclosed.program = Self.program
        enclosed.arguments = arguments
        // bubblewrap itself is not marked: TERM is for what runs inside, and the walls stand until that has ended.
        enclosed.environment = Command.plainEnvironment
        enclosed.directory = "/"
        return enclosed
    }

    private static func systemFolder(_ path: String) -> [String] {
        guard let status = FileSystem.linkStatus(path) else { return [] }
        guard status.st_mode & S_IFMT == S_IFLNK else { return ["--ro-bind", path, path] }
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count - 1)
        guard count > 0 else { return [] }
        return ["--symlink", String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self), path]
    }

    /// Why builds cannot be enclosed here; nil when they can. Tries it for real.
    static func obstacle(as user: User?) async -> String? {
        guard FileSystem.exists(program) else { return "bubblewrap is not installed (\(program))" }
        let arguments = [
            "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--uid", "0", "--gid", "0",
            "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "/bin/true",
        ]
        do {
            let (exit, text) = try await Program.output(
                of: Command(program, arguments, as: user), limit: 4096)
            if exit.isSuccess { return nil }
            let reason = text.split(separator: "\n").last.map { visibleLine($0) } ?? exit.description
            return "bubblewrap does not work here: \(reason)"
        } catch {
            return "bubblewrap does not work here: \(error)"
        }
    }

    /// The account that builds run as when shipit is root; nil when shipit is not root.
    static var buildUser: User? {
        guard geteuid() == 0 else { return nil }
        return User.named("shipit-build") ?? User.named("nobody")
            ?? User(name: "nobody", uid: 65534, gid: 65534, home: "/nonexistent")
    }
}

/// The folders of one build, made fresh and removed afterwards.
struct Workspace: Hashable, Sendable {
    let path: String

    var source: String { "\(path)/source" }
    var control: String { "\(path)/control" }
    var home: String { "\(path)/home" }
    var temporary: String { "\(path)/tmp" }
}
