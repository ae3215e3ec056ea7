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

    /// Nil when no script would see anything else than without one.
    init?(_ appspec: Appspec, release: String) {
        guard !appspec.hooks.isEmpty else { return nil }
        let all = Set(appspec.files.map(\.destination)).subtracting([""]).map { "/\($0)" }
        let top = all.filter { path in !all.contains { $0 != path && path.isNested(with: $0) && path.count > $0.count }
        }
        guard !top.isEmpty else { return nil }
        destinations = top.sorted()
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

    private static func enclosing(_ command: Command, _ mounts: [(source: String, destination: String)]) -> Command {
        let (program, arguments) = Program.asUser(command)
        var enclosed = command
        enclosed.user = nil
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
    static func obstacle(at destination: String, target: String) -> String? {
        if target.isNested(with: destination) {
            return "the target \(target) and the destination \(visibleLine(destination)) lie inside one another"
        }
        guard let status = FileSystem.linkStatus(destination) else { return nil }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            return "\(visibleLine(destination)) is there on this machine, and not a folder"
        }
        guard FileSystem.names(in: destination).isEmpty else {
            return "\(visibleLine(destination)) has files of this machine in it"
        }
        return nil
    }

    static let hint =
        "layout: in-place with the target / installs among the machine's own files; view: off lets scripts do without"

    /// Throws unless every destination may be covered.
    func check(target: String) throws {
        for destination in destinations {
            guard let obstacle = Self.obstacle(at: destination, target: target) else { continue }
            throw ShipitError(
                .failure, "hook scripts cannot see the release at \(visibleLine(destination)): \(obstacle)",
                hint: Self.hint)
        }
    }

    /// Makes the empty folders that are covered; the deepest of new ones belongs to who runs the scripts.
    func makeStubs(owner: Owner?) throws {
        for destination in destinations where FileSystem.linkStatus(destination) == nil {
            do {
                let folder = try Directory(creating: destination, mode: 0o755)
                if let owner { fchown(folder.descriptor, owner.user, owner.group) }
            } catch {
                throw ShipitError(
                    .failure,
                    "could not make \(visibleLine(destination)), where hook scripts expect the release: \(error)",
                    hint: Self.hint)
            }
        }
    }

    /// Moves what a script left in the stubs into the release, where the appspec says what becomes of a name that is
    /// there already.
    func takeStubs(_ behavior: Appspec.FileExistsBehavior) throws {
        let release = try Directory(path: release)
        for destination in destinations where FileSystem.isFolder(destination) {
            let path = Array(destination.utf8.dropFirst())
            let stub = try Directory(path: destination)
            // Nothing is asked of a release that lost the folder: its scripts could not see it either.
            guard try release.metadata(path)?.kind == .directory else { continue }
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
