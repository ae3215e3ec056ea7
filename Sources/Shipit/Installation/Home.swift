import ArtifactKit
import CLinux
import Glibc

/// Where shipit keeps everything: paths from names and ids, nothing else.
public struct Home: Hashable, Sendable {
    public let path: String

    public init(_ path: String) { self.path = path }

    /// SHIPIT_HOME, else /var/lib/shipit for root, else $XDG_STATE_HOME/shipit or ~/.local/state/shipit.
    public static func standard(_ variables: [String: String]) throws -> Home {
        if let path = variables["SHIPIT_HOME"], !path.isEmpty {
            guard path.hasPrefix("/"), path.normalisedPath != "/" else {
                throw ShipitError(
                    .usage, "SHIPIT_HOME is not an absolute path: \(visibleLine(path))",
                    hint: "export SHIPIT_HOME=/var/lib/shipit or the like")
            }
            return Home(path.normalisedPath)
        }
        if geteuid() == 0 { return Home("/var/lib/shipit") }
        if let state = variables["XDG_STATE_HOME"], state.hasPrefix("/") {
            return Home("\(state.normalisedPath)/shipit")
        }
        guard let user = User.named(by: geteuid()), user.home.hasPrefix("/") else {
            throw ShipitError(
                .failure, "there is no home folder for uid \(geteuid())", hint: "set SHIPIT_HOME to a folder of yours")
        }
        return Home("\(user.home.normalisedPath)/.local/state/shipit")
    }

    public var ledger: String { "\(path)/ledger.sqlite" }
    public var spool: String { "\(path)/spool" }
    public var workerLock: String { "\(path)/worker.lock" }
    public var workerLog: String { "\(path)/worker.log" }
    /// Where builds work. Builds of a root-owned shipit run as somebody else, who must be able to come here: below a
    /// folder that is closed to others, such as /root, they work in /var/tmp instead.
    public var work: String {
        if geteuid() != 0 || isOpenToOthers { return "\(path)/work" }
        return "/var/tmp/shipit-work-\(Digest.of(Array(path.utf8)).description.prefix(16))"
    }

    private var isOpenToOthers: Bool {
        var folder = path
        while let slash = folder.lastIndex(of: "/") {
            if let status = FileSystem.status(folder), status.st_mode & 0o001 == 0 { return false }
            folder = String(folder[..<slash])
        }
        return true
    }

    /// Makes the folder in which builds work; one that somebody else made in our place is refused.
    func prepareWork() throws {
        try makeFolder(work, 0o711)
        guard let status = FileSystem.linkStatus(work), status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
            status.st_mode & 0o022 == 0
        else { throw ShipitError(.failure, "\(work) is not ours alone", hint: "remove it") }
    }

    /// Makes the folder for what an app's builds keep, closed to everybody else.
    func prepareCaches(_ app: String) throws {
        for folder in [caches, caches(app)] { try makeFolder(folder, 0o700) }
    }

    public var apps: String { "\(path)/apps" }
    /// Its presence says that systemd watches the spool, so that the hook starts nothing.
    public var systemdMarker: String { "\(path)/systemd" }

    public func app(_ app: String) -> String { "\(apps)/\(app)" }
    public func policy(_ app: String) -> String { "\(apps)/\(app)/pipeline.yml" }
    public func hook(_ app: String, _ event: LifecycleEvent) -> String { "\(apps)/\(app)/hooks/\(event.fileName)" }
    public func environmentFile(_ app: String, _ environment: String) -> String {
        "\(apps)/\(app)/environments/\(environment).env"
    }
    public func artifacts(_ app: String) -> String { "\(path)/artifacts/\(app)" }
    public func artifact(_ app: String, _ file: String) -> String { "\(artifacts(app))/\(file)" }
    /// What builds of an app keep for the next one: entries by the hash of their key.
    public func caches(_ app: String) -> String { "\(caches)/\(app)" }
    public var caches: String { "\(path)/caches" }
    /// What shipit knows of an in-place target, whose own folder hook scripts may clear: releases and the state of the
    /// installation. The target's path is written as in a URL.
    public func store(_ app: String, _ environment: String, _ target: String) -> String {
        let written = target.replacing("%", with: "%25").replacing("/", with: "%2F")
        // A name has at most 255 bytes.
        let name = written.utf8.count <= 255 ? written : Digest.of(Array(target.utf8)).description
        return "\(path)/targets/\(app)/\(environment)/\(name)"
    }

    /// Locks of the empty folders that views cover.
    var stubs: String { "\(path)/stubs" }

    /// Where the releases of each target are: in it, or elsewhere for one that is installed in place.
    public func stores(_ app: String, _ environment: EnvironmentPolicy) -> [String] {
        switch environment.layout {
        case .releases: environment.targets
        case .inPlace: environment.targets.map { store(app, environment.name, $0) }
        }
    }

    public func run(_ run: Int64) -> String { "\(path)/runs/\(run)" }
    public func log(_ run: Int64, _ job: String) -> String { "\(path)/runs/\(run)/\(job).log" }
    public func workspace(_ job: Job) -> String { "\(work)/\(job.run)-\(job.id)-\(job.attempt)" }

    /// Makes the folder and what belongs in it; an existing one is checked for owner and mode.
    ///
    /// The home is 0711 rather than 0700: pushers of a shared repository must reach `spool`, and enclosed builds of a
    /// root-owned shipit their workspace. All else in it is 0700 or 0600.
    public func prepare() throws {
        try makeFolder(path, 0o711, parents: true)
        try checkOwner()
        for folder in [apps, "\(path)/artifacts", "\(path)/runs", caches] { try makeFolder(folder, 0o700) }
        try makeFolder("\(path)/work", 0o711)
        if !FileSystem.exists(spool) { try makeFolder(spool, 0o700) }
    }

    public func checkOwner() throws {
        guard let status = FileSystem.status(path) else {
            throw ShipitError(
                .unavailable, "there is no shipit in \(path)", hint: "shipit init REPOSITORY makes the first app")
        }
        guard status.st_uid == geteuid() else {
            let owner = User.named(by: status.st_uid)?.name ?? "uid \(status.st_uid)"
            throw ShipitError(
                .failure,
                "\(path) belongs to \(owner), and you are \(User.named(by: geteuid())?.name ?? "uid \(geteuid())")",
                hint: "sudo -u \(owner) shipit …")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw ShipitError(
                .failure, "\(path) may be written by others (mode \(String(status.st_mode & 0o7777, radix: 8)))",
                hint: "chmod 711 \(path)")
        }
    }

    private func makeFolder(_ path: String, _ mode: mode_t, parents: Bool = false) throws {
        if parents, let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            let parent = String(path[..<slash])
            if !FileSystem.exists(parent) { try makeFolder(parent, 0o755, parents: true) }
        }
        if mkdir(path, mode) == 0 {
            // The umask must not decide who may enter.
            chmod(path, mode)
            return
        }
        guard errno == EEXIST else {
            throw ShipitError(.failure, "could not make the folder \(path): \(systemReason(errno))")
        }
    }
}
