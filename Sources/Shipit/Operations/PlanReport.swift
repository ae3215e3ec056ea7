import ArtifactKit
public import GitKit

/// What a promotion would change: commits, authors, files, hook scripts, releases that will go.
public struct PlanReport: Sendable {
    public let promotion: Promotion
    /// Newest first; those that would be live and are not.
    public let commits: [Commit]
    /// False when history is cut off, or there are more commits than are listed.
    public let commitsAreComplete: Bool
    /// Newest first; those that are live and would not be any more.
    public let lost: [Commit]
    public let changes: [Change]
    /// Hook scripts of the appspec, and the appspec itself, among the changed files.
    public let changedScripts: [String]
    /// Paths of releases that retention would remove afterwards.
    public let removed: [String]

    public init(_ installation: Installation, _ app: App, _ promotion: Promotion) throws {
        self.promotion = promotion
        let repository = try app.repository()
        let live = promotion.live?.revision
        let newer = try repository.commits(from: live, to: promotion.revision, limit: live == nil ? 20 : 1000)
        commits = newer.commits
        commitsAreComplete = newer.complete
        lost = try live.map { try repository.commits(from: promotion.revision, to: $0, limit: 1000).commits } ?? []
        changes = try repository.changes(from: live, to: promotion.revision)
        changedScripts = try Self.scripts(repository, promotion.revision, changes)
        removed = try Self.removals(installation, app, promotion)
    }

    public var authors: [String] {
        var seen: Set<String> = []
        return commits.map { visibleLine($0.author.name) }.filter { seen.insert($0).inserted }
    }

    private static func scripts(_ repository: Repository, _ revision: Revision, _ changes: [Change]) throws -> [String]
    {
        var names = Set(Appspec.names)
        for file in Appspec.names {
            guard let entry = try repository.file(at: file, in: revision),
                entry.kind == .file || entry.kind == .executable
            else { continue }
            // A broken appspec is the deployment's error to report; here it only hides its scripts.
            guard let appspec = try? Appspec.parse(try repository.blob(entry.id), file: file).0 else { continue }
            names.formUnion(appspec.hooks.values.flatMap { $0 }.map(\.location))
        }
        return changes.map { visible($0.path) }.filter(names.contains)
    }

    private static func removals(_ installation: Installation, _ app: App, _ promotion: Promotion) throws -> [String] {
        let environment = try app.environment(promotion.environment)
        let state = try installation.ledger.environment(app.name, environment.name)
        let deployments = try installation.ledger.goodReleases(
            app: app.name, environment: environment.name, limit: environment.keep + 1)
        // Afterwards what is live now is the one before, and today's previous is one of the good ones.
        var kept = Retention.kept(
            EnvironmentState(app: app.name, name: environment.name, live: state.live, previous: nil, hold: nil),
            deployments,
            keep: environment.keep)
        kept.formUnion(state.live?.release.map { [$0] } ?? [])
        return installation.home.stores(app.name, environment).flatMap { path in
            FileSystem.names(in: "\(path)/releases").compactMap { name in
                guard let number = ReleaseName.number(name), !kept.contains(number) else { return nil }
                return "\(path)/releases/\(name)"
            }
        }
    }
}
