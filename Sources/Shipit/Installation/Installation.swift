import Glibc
import CLinux

import ArtifactKit

/// shipit on this machine: opened once, in the command, and passed to what needs it.
public struct Installation: Sendable {
    public let home: Home
    public let ledger: Ledger
    /// Who is at work, as people name them.
    public let person: String
    private let policies = PolicyCache()

    /// Opens the home and its ledger; `creating` makes them when they are missing.
    public static func open(_ home: Home, person: String, creating: Bool = false) throws -> Installation {
        if creating { try home.prepare() }
        try home.checkOwner()
        if !creating, !FileSystem.exists(home.ledger), !FileSystem.exists(home.apps) {
            throw ShipitError(
                .unavailable, "there is no shipit in \(home.path)", hint: "shipit init REPOSITORY makes the first app")
        }
        return Installation(home: home, ledger: try Ledger(at: home.ledger), person: person)
    }

    // MARK: Apps

    public func appNames() -> [String] {
        FileSystem.names(in: home.apps).filter { Name.isValid($0) && FileSystem.exists(home.policy($0)) }
    }

    /// The app with its policy as it stands on disk now.
    public func app(_ name: String) throws -> App {
        guard Name.isValid(name), let bytes = try FileSystem.read(home.policy(name)) else {
            let names = appNames()
            let meant = suggestion(for: name, among: names).map { "did you mean \($0)?" }
            throw ShipitError(
                .unavailable, "there is no app \(visibleLine(name))",
                hint: meant
                    ?? (names.isEmpty
                        ? "shipit init REPOSITORY makes the first" : "the apps are \(names.joined(separator: ", "))"))
        }
        let (policy, warnings) = try policies.policy(bytes, file: home.policy(name))
        let pipeline = policy.pipeline
        guard pipeline.app == name else {
            throw Diagnostics([
                Diagnostic(.error, file: home.policy(name), "app is \"\(pipeline.app)\", but the folder is \(name)")
            ])
        }
        try checkPlaces(pipeline)
        return App(
            name: name, policy: policy, warnings: warnings, repositoryPath: pipeline.repositoryPath(in: home))
    }

    /// Every app that can be read, and what is wrong with the others.
    public func apps() -> (apps: [App], problems: [any Error]) {
        var apps: [App] = [], problems: [any Error] = []
        for name in appNames() {
            do { apps.append(try app(name)) } catch { problems.append(error) }
        }
        return (apps, problems)
    }

    /// The policy that a job was made under.
    public func policy(of job: Job) throws -> Policy {
        guard let text = try ledger.policyText(job.policy) else {
            throw ShipitError(.failure, "the policy of run \(job.run) is not in the ledger", hint: "shipit fsck")
        }
        return try policies.policy(Array(text.utf8), file: "the policy of run \(job.run)").policy
    }

    private func checkPlaces(_ pipeline: Pipeline) throws(Diagnostics) {
        let file = home.policy(pipeline.app)
        for target in pipeline.environments.flatMap(\.targets) {
            for (place, what) in [(home.path, "shipit's home"), (pipeline.repositoryPath(in: home), "the repository")]
            where target.isNested(with: place) {
                throw Diagnostics([
                    Diagnostic(.error, file: file, "the target \(target) and \(what) \(place) lie inside one another")
                ])
            }
        }
    }

    /// Folders with a purpose of their own: targets and repositories of all apps, and the home.
    var reserved: [String] {
        [home.path]
            + apps().apps.flatMap { app in
                [app.repositoryPath] + app.pipeline.environments.flatMap(\.targets)
            }
    }

    // MARK: Variables

    public func environmentFile(_ app: String, _ environment: String) throws -> EnvironmentFile {
        let path = home.environmentFile(app, environment)
        guard let bytes = try FileSystem.read(path, limit: 1 << 20) else { return EnvironmentFile() }
        if let status = FileSystem.status(path), status.st_mode & 0o077 != 0 {
            throw ShipitError(.configuration, "\(path) may be read by others", hint: "chmod 600 \(path)")
        }
        if let status = FileSystem.status(path), status.st_uid != geteuid() {
            let owner = User.named(by: status.st_uid)?.name ?? "uid \(status.st_uid)"
            let me = User.named(by: geteuid())?.name ?? "\(geteuid())"
            throw ShipitError(.configuration, "\(path) belongs to \(owner)", hint: "chown \(me) \(path)")
        }
        return try EnvironmentFile(parsing: String(decoding: bytes, as: UTF8.self), file: path)
    }
}

extension Installation {
    public func write(_ file: EnvironmentFile, _ app: String, _ environment: String) throws {
        let folder = "\(home.app(app))/environments"
        _ = try Directory(creating: folder, mode: 0o700)
        try FileSystem.write(home.environmentFile(app, environment), Array(file.text.utf8), mode: 0o600)
    }
}
