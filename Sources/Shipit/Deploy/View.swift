import ArtifactKit
import CLinux
import Glibc

/// What hook scripts see where their appspec has the release's files: a mount namespace in which each destination is its
/// place in the release.
///
/// A process that a script leaves running keeps it. Destinations are top-most folders: what lies in one comes with it.
struct View: Hashable, Sendable {
    /// Absolute paths.
    let destinations: [String]
    /// The folder of the release, of which each destination is a part.
    let release: String

    /// Nil when there are no scripts, or nothing has another place than the release itself.
    init?(_ appspec: Appspec, release: String) {
        let events = LifecycleEvent.ofDeployment + LifecycleEvent.ofShipit
        guard events.contains(where: { appspec.hooks[$0] != nil }) else { return nil }
        let all = Set(appspec.files.map(\.destination)).subtracting([""]).map { "/\($0)" }
        destinations = all.filter { path in !all.contains { path.hasPrefix("\($0)/") } }.sorted()
        guard !destinations.isEmpty else { return nil }
        self.release = release
    }

    // MARK: Programs

    /// As root a shell makes the mounts and becomes the program; it gets nothing but arguments.
    private static let script = """
        mount=$1; shift
        while [ "$1" != -- ]; do "$mount" --bind "$1" "$2" || exit 125; shift 2; done
        shift; exec "$@"
        """

    /// The command as it is to be run so that it sees the destinations: argv in, argv out.
    func enclosing(_ command: Command) -> Command {
        let pairs = destinations.map { ("\(release)\($0)", $0) }
        return Self.enclosing(command, pairs)
    }

    /// Whoever is not root there gets no more rights by any program, as it is in a view without root: a set-uid program
    /// must not be shown files that somebody else made.
    private static func enclosing(_ command: Command, _ mounts: [(source: String, destination: String)]) -> Command {
        var enclosed = Program.asUser(command, noNewPrivileges: command.user.map { $0.uid != 0 } ?? false)
        let (program, arguments) = (enclosed.program, enclosed.arguments)
        if geteuid() == 0 {
            enclosed.program = "/usr/bin/unshare"
            enclosed.arguments = ["--mount", "--propagation", "slave", "--", "/bin/sh", "-c", script, "view"]
            enclosed.arguments += [Command.find("mount") ?? "/bin/mount"]
            enclosed.arguments += mounts.flatMap { [$0.source, $0.destination] } + ["--", program] + arguments
        } else {
            enclosed.program = Sandbox.program
            enclosed.arguments = ["--dev-bind", "/", "/"]
            enclosed.arguments += mounts.flatMap { ["--bind", $0.source, $0.destination] }
            enclosed.arguments += ["--chdir", command.directory, "--", program] + arguments
        }
        return enclosed
    }

    /// Why scripts cannot have one on this machine; nil when they can. Tries it for real.
    static func obstacle() async -> String? {
        guard geteuid() == 0 || FileSystem.exists(Sandbox.program) else {
            return "it needs bubblewrap (\(Sandbox.program)) where shipit is not root"
        }
        do {
            let mounts = [(source: "/usr", destination: "/usr")]
            let (exit, text) = try await Program.output(of: enclosing(Command("/bin/true"), mounts), limit: 4096)
            if exit.isSuccess { return nil }
            return text.split(separator: "\n").last.map { visibleLine($0) } ?? exit.description
        } catch {
            return "\(error)"
        }
    }

    // MARK: Destinations

    /// What keeps a destination of this machine from being covered; nil when it is not there, or an empty folder.
    /// `reserved`: folders with a purpose of their own, such as targets.
    static func obstacle(at destination: String, reserved: [String]) -> String? {
        let shown = visibleLine(destination)
        var there = destination
        while FileSystem.linkStatus(there) == nil, let slash = there.lastIndex(of: "/"), slash > there.startIndex {
            there = String(there[..<slash])
        }
        if let real = FileSystem.realPath(there), real != there {
            return "\(visibleLine(there)) is a link or lies behind one; its real path is \(visibleLine(real))"
        }
        for path in reserved where path != "/" && path.isNested(with: destination) {
            return "\(shown) and \(visibleLine(path)), which is shipit's to fill, lie inside one another"
        }
        guard let status = FileSystem.linkStatus(destination) else { return nil }
        guard status.st_mode & S_IFMT == S_IFDIR else { return "\(shown) is there on this machine, and not a folder" }
        guard let first = FileSystem.names(in: destination).first else { return nil }
        return "\(shown) has files of this machine in it, such as \(visibleLine(first))"
    }

    static let hint =
        "empty it if it is nobody's; layout: in-place with the target / installs among the machine's own files, and view: off lets scripts do without"

    /// Throws unless every destination may be covered.
    func check(reserved: [String]) throws {
        for destination in destinations {
            guard let obstacle = Self.obstacle(at: destination, reserved: reserved) else { continue }
            throw ShipitError(
                .failure, "hook scripts cannot see the release at \(visibleLine(destination)): \(obstacle)",
                hint: Self.hint)
        }
    }

    /// Makes the empty folders that are covered, with the rights of who runs the scripts: nil for us.
    func makeStubs(as user: User?) async throws {
        for destination in destinations where FileSystem.linkStatus(destination) == nil {
            let reason: String
            if let user, user.uid != geteuid() {
                let command = Command("/bin/mkdir", ["-p", "-m", "755", "--", destination], as: user)
                let (exit, text) = try await Program.output(of: command)
                if exit.isSuccess { continue }
                reason = text.split(separator: "\n").first.map { visibleLine($0) } ?? exit.description
            } else {
                do {
                    _ = try Directory(creating: destination, mode: 0o755)
                    continue
                } catch {
                    reason = "\(error)"
                }
            }
            let name = (user ?? User.named(by: geteuid()))?.name ?? "USER"
            throw ShipitError(
                .failure,
                "could not make \(visibleLine(destination)), where hook scripts expect the release: \(reason)",
                hint: "install -d -o \(name) \(visibleLine(destination)) makes it; view: off lets scripts do without")
        }
    }

    /// Moves what a script left in the stubs into the release, where the appspec says what becomes of a name that is
    /// there already. Scripts may have put anything in their place: links are not followed.
    func takeStubs(_ behavior: Appspec.FileExistsBehavior) throws {
        let release = try Directory(path: release)
        for destination in destinations where FileSystem.linkStatus(destination) != nil {
            let path = Array(destination.utf8.dropFirst())
            // Nothing is asked of a release that lost the folder: its scripts could not see it either.
            guard try release.metadata(path)?.kind == .directory else { continue }
            let stub: Directory
            do {
                stub = try Directory(realPath: destination)
            } catch {
                throw ShipitError(
                    .failure, "BeforeInstall put something else in the place of the folder \(visibleLine(destination))",
                    hint: "remove it; it was \(error)")
            }
            try take(stub, into: try release.open(path), behavior, shown: destination)
        }
    }

    private func take(
        _ stub: Directory, into folder: Directory, _ behavior: Appspec.FileExistsBehavior, shown: String
    ) throws {
        for (name, kind) in try stub.entries() {
            let there = try folder.metadata(name), path = "\(shown)/\(visible(name))"
            switch (there?.kind, kind) {
            case (nil, _): try Self.move(name, of: stub, to: folder)
            case (.directory, .directory):
                try take(try stub.open(name), into: try folder.open(name), behavior, shown: path)
                try stub.removeTree(name)
            default:
                switch behavior {
                case .disallow:
                    throw ShipitError(
                        .failure, "BeforeInstall left \(path), and the revision has a file of that name",
                        hint: "file_exists_behavior: OVERWRITE takes the revision's, RETAIN the script's")
                case .overwrite: try stub.removeTree(name)
                case .retain:
                    try folder.removeTree(name)
                    try Self.move(name, of: stub, to: folder)
                }
            }
        }
    }

    private static func move(_ name: [UInt8], of folder: Directory, to other: Directory) throws {
        do {
            try folder.rename(name, to: name, in: other)
        } catch let error as ArtifactError where error.code == .system(EXDEV) {
            _ = try folder.copyTree(name, to: name, in: other)
            try folder.removeTree(name)
        }
    }
}
