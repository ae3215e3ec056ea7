import ArtifactKit
import GitKit
import Glibc

/// Whether this machine is set up so that shipit can keep its promises, item by item.
public struct Doctor: Sendable {
    public enum State: String, Hashable, Sendable, Codable {
        case ok, warning, problem
    }

    public struct Item: Hashable, Sendable {
        public let state: State
        /// What was looked at: `git`, `clock`, `hook of blog`.
        public let name: String
        public let what: String
        /// A command that mends it.
        public let mend: String?

        init(_ state: State, _ name: String, _ what: String, mend: String? = nil) {
            self.state = state
            self.name = name
            self.what = visibleLine(what)
            self.mend = mend
        }
    }

    let home: Home
    /// Nil on a machine that has no shipit yet.
    let installation: Installation?
    let program: String

    public init(home: Home, installation: Installation?, program: String) {
        self.home = home
        self.installation = installation
        self.program = program
    }

    public func examine() async throws -> [Item] {
        var items = try await programs()
        items += try await walls()
        guard let installation else {
            return items + [
                Item(.warning, "home", "there is no shipit in \(home.path) yet", mend: "shipit init REPOSITORY")
            ]
        }
        items += try state(installation)
        items += try time(installation)
        items += try worker(installation)
        let (apps, problems) = installation.apps()
        for problem in problems {
            let first = "\(problem)".split(separator: "\n").first.map(String.init) ?? ""
            items.append(Item(.problem, "policy", first, mend: "shipit validate \(home.apps)/APP/pipeline.yml"))
        }
        for app in apps { items += try await examine(app, installation) }
        return items
    }

    // MARK: Programs and libraries

    private func programs() async throws -> [Item] {
        var items = [try await git(), try await libgit2()]
        items.append(Item(.ok, "libarchive", TarballReader.libraryVersion))
        if let installation { items.append(Item(.ok, "SQLite", "SQLite \(try installation.ledger.sqliteVersion())")) }
        let slash = program.lastIndex(of: "/") ?? program.startIndex
        let receiver = "\(program[..<slash])/shipit-receive"
        items.append(
            access(receiver, X_OK) == 0
                ? Item(.ok, "shipit-receive", receiver)
                : Item(.problem, "shipit-receive", "\(receiver) is missing or not executable", mend: "make install"))
        return items
    }

    private func git() async throws -> Item {
        guard FileSystem.exists("/usr/bin/git") else {
            return Item(.problem, "git", "/usr/bin/git is missing", mend: "apt install git")
        }
        let (exit, text) = try await Program.output(of: Command("/usr/bin/git", ["version"]))
        guard exit.isSuccess, let version = Version(in: text) else {
            return Item(.problem, "git", "/usr/bin/git does not say its version", mend: "apt install --reinstall git")
        }
        // core.fsync came with 2.36; before it a push is not safe from a power cut.
        if version < Version([2, 36]) {
            return Item(
                .problem, "git", "git \(version) knows no core.fsync, which came with 2.36", mend: "apt install git")
        }
        return Item(.ok, "git", "git \(version)")
    }

    private func libgit2() async throws -> Item {
        let own = Repository.libraryVersion
        let query = "/usr/bin/dpkg-query"
        guard FileSystem.exists(query) else { return Item(.ok, "libgit2", "libgit2 \(own)") }
        let arguments = ["-W", "-f=${Package} ${Version} ${db:Status-Abbrev}\n", "libgit2-[0-9]*"]
        let (_, text) = try await Program.output(of: Command(query, arguments))
        let packages = text.split(separator: "\n").map { $0.split(separator: " ") }
        guard let package = packages.first(where: { $0.count == 3 && $0[2].hasPrefix("ii") }) else {
            return Item(.ok, "libgit2", "libgit2 \(own), not from a package of this system")
        }
        let wanted = "1.5.1+ds-1+deb12u2"
        let compare = Command("/usr/bin/dpkg", ["--compare-versions", String(package[1]), "ge", wanted])
        guard try await Program.output(of: compare).exit.isSuccess else {
            return Item(
                .problem, "libgit2", "\(package[0]) \(package[1]) lacks the fixes of \(wanted)",
                mend: "apt update && apt install --only-upgrade \(package[0])")
        }
        return Item(.ok, "libgit2", "libgit2 \(own), package \(package[1])")
    }
}

/// Numbers with dots between them.
struct Version: Hashable, Comparable, CustomStringConvertible {
    let numbers: [Int]

    init(_ numbers: [Int]) { self.numbers = numbers }

    /// The first that stands in a text.
    init?(in text: String) {
        guard let start = text.firstIndex(where: { $0.isASCII && $0.isNumber }) else { return nil }
        let digits = text[start...].prefix { $0.isASCII && $0.isNumber || $0 == "." }
        numbers = digits.split(separator: ".").compactMap { Int($0) }
        if numbers.isEmpty { return nil }
    }

    var description: String { numbers.map(String.init).joined(separator: ".") }

    static func < (a: Version, b: Version) -> Bool { a.numbers.lexicographicallyPrecedes(b.numbers) }
}
