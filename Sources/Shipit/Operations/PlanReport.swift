public import ArtifactKit
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
    /// Changed files that the policy calls migrations.
    public let migrations: [String]
    /// Lines of the policy that differ from the one under which the live release was deployed: `- former`, `+ now`.
    public let policyChanges: [String]
    /// Bytes of the release in each target; nil when its manifest is not there.
    public let releaseSize: Int64?
    /// Paths of releases that retention would remove afterwards.
    public let removed: [String]
    /// Why going back over it is not safe; nil: as far as is known it is.
    public let hazard: String?
    /// How many signed approvals of it were used up or are void: a signature counts in one round.
    let round: Int
    /// What an approval is for, one fact a line: the same plan always gives the same text.
    public let statement: String

    /// Whether the environment asks for approvals, which name this plan.
    public let wantsApprovals: Bool

    /// The name of the plan.
    public var digest: Digest { Digest.of(Array(statement.utf8)) }

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
        migrations = changes.map { $0.path }.filter { path in app.pipeline.migrations.contains { $0.matches(path) } }
            .map { visible($0) }
        policyChanges = try Self.policyChanges(installation, app, promotion)
        // A manifest that cannot be read is the deployment's to report.
        let manifest = try? ArtifactStore(installation.home.artifacts(app.name)).manifest(of: promotion.artifact.file)
        releaseSize = manifest?.totalSize
        removed = try Self.removals(installation, app, promotion)
        hazard = try Self.hazard(installation, app, migrations, [promotion.revision] + newer.commits.map(\.id))
        wantsApprovals = app.pipeline.environment(promotion.environment)?.approvals != nil
        round = try promotion.waiting.map { try installation.ledger.approvalRound(of: $0.id) } ?? 0
        statement = Self.statement(app, promotion, round, commits, lost, changes)
    }

    private static func hazard(
        _ installation: Installation, _ app: App, _ migrations: [String], _ revisions: [Revision]
    ) throws -> String? {
        if let line = try Rollback.knownLines(installation, app, of: Set(revisions)).first {
            let reason = line.irreversible.map { ": \($0)" } ?? ""
            return "\(line.revision.abbreviated()) was marked irreversible in \(line.environment)\(reason)"
        }
        let count = migrations.count
        guard count > 0 else { return nil }
        return "it changes \(count) migration\(count == 1 ? "" : "s"), which going back does not undo"
    }

    private static func policyChanges(
        _ installation: Installation, _ app: App, _ promotion: Promotion
    ) throws -> [String] {
        guard let live = promotion.live,
            let job = try installation.ledger.run(live.run)?.jobs.first(where: { $0.id == live.job }),
            job.policy != app.policy.digest, let former = try installation.ledger.policyText(job.policy)
        else { return [] }
        let (old, new) = (meaningfulLines(former), meaningfulLines(app.policy.text))
        guard old != new else { return ["~ comments and blank lines alone"] }
        // The time of a comparison grows with the product of its sides.
        guard old.count <= 2000, new.count <= 2000 else { return ["+ too long to compare line by line"] }
        var (removed, inserted): (Set<Int>, Set<Int>) = ([], [])
        for change in new.difference(from: old) {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): inserted.insert(offset)
            }
        }
        // From top to bottom, as the files read.
        var (changes, here, there): ([String], Int, Int) = ([], 0, 0)
        while here < old.count || there < new.count {
            if removed.contains(here) {
                changes.append("- \(shown(old[here]))")
                here += 1
            } else if inserted.contains(there) {
                changes.append("+ \(shown(new[there]))")
                there += 1
            } else {
                (here, there) = (here + 1, there + 1)
            }
        }
        return changes
    }

    /// Without comments and blank lines, of which a policy that `init` made is full.
    private static func meaningfulLines(_ policy: String) -> [String] {
        policy.split(separator: "\n").filter { line in
            line.first { $0 != " " && $0 != "\t" && $0 != "\r" }.map { $0 != "#" } ?? false
        }.map(String.init)
    }

    /// A plan is passed around, and whoever has the address of a webhook may write there.
    static func shown(_ line: String) -> String {
        let line = visibleLine(line)
        return line.firstRange(of: "webhook:").map { "\(line[..<$0.upperBound]) …" } ?? line
    }

    private static func statement(
        _ app: App, _ promotion: Promotion, _ round: Int, _ commits: [Commit], _ lost: [Commit], _ changes: [Change]
    ) -> String {
        let artifact = promotion.artifact
        var lines = [
            "shipit plan 1", "app: \(app.name)", "environment: \(promotion.environment)",
            "revision: \(promotion.revision.hex)",
            "artifact: \(artifact.manifest?.description ?? "unknown")", "policy: \(app.policy.digest)",
        ]
        if let run = promotion.waiting?.run { lines.append("run: \(run)") }
        if round > 0 { lines.append("round: \(round + 1)") }
        if let live = promotion.live {
            lines.append("live: deployment \(live.id), \(live.revision.hex)")
        } else {
            lines.append("live: nothing")
        }
        lines += commits.map { "commit: \($0.id.hex)" } + lost.map { "lost: \($0.id.hex)" }
        lines += changes.map { "\($0.kind.rawValue): \(visible($0.path))" }
        return lines.map { "\($0)\n" }.joined()
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
