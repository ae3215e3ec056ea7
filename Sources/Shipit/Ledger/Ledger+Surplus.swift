import GRDB

/// What stays and what exceeds a limit, oldest first.
extension Database {
    /// The deployments whose releases stay: what is live, what was before, the newest good ones, and what is not over.
    func keptDeployments(_ app: String, _ environment: String, keep: Int) throws -> [Deployment] {
        let state = try environmentState(app, environment)
        let open = try Deployment.fetchAll(
            self,
            cached: """
                SELECT deployment.* FROM job JOIN deployment ON deployment.job = job.id
                WHERE \(Job.isOpen) AND job.app = ? AND job.name = ? AND job.kind = 'deploy'
                """, arguments: [app, environment])
        // Two more than are kept besides, for these two are among them as a rule.
        let deployments =
            try [state.live, state.previous].compactMap(\.self)
            + goodReleases(app, environment, limit: keep + 2) + open
        let releases = Retention.kept(state, deployments, keep: keep)
        return deployments.filter { $0.release.map(releases.contains) ?? true }
    }

    /// In every environment that the ledger knows, also those that the policy has dropped.
    private func keptDeployments(of pipeline: Pipeline) throws -> [Deployment] {
        let names = try String.fetchAll(
            self, cached: "SELECT name FROM environment WHERE app = ?", arguments: [pipeline.app])
        return try names.flatMap {
            try keptDeployments(pipeline.app, $0, keep: pipeline.environment($0)?.keep ?? 0)
        }
    }

    func neededArtifacts(of pipeline: Pipeline) throws -> Set<Int64> {
        // What a build has made is needed before the next job says so.
        let open = try Int64.fetchSet(
            self,
            sql: """
                SELECT artifact.id FROM job JOIN run ON run.id = job.run
                JOIN artifact ON artifact.app = run.app AND artifact.revision = run.revision
                WHERE \(Job.isOpen) AND job.app = ?1
                UNION SELECT artifact FROM job WHERE \(Job.isOpen) AND app = ?1 AND artifact IS NOT NULL
                """, arguments: [pipeline.app])
        return try open.union(keptDeployments(of: pipeline).map(\.artifact))
    }

    func surplusArtifacts(of pipeline: Pipeline, most: Int, now: Timestamp) throws -> [Artifact] {
        let limits = pipeline.retention.artifacts
        if limits.isEmpty { return [] }
        let needed = try neededArtifacts(of: pipeline)
        let spare = try Artifact.fetchAll(
            self, cached: "SELECT * FROM artifact WHERE app = ? AND removed_at IS NULL ORDER BY id",
            arguments: [pipeline.app]
        ).filter { !needed.contains($0.id) }
        let items = spare.prefix(most).map { Kept(id: $0.id, since: $0.createdAt, bytes: $0.size) }
        let bytes = spare.reduce(0) { $0 + $1.size }
        return Array(spare.prefix(limits.surplus(items, of: spare.count, taking: bytes, now: now).count))
    }

    func surplusLogs(of pipeline: Pipeline, most: Int, now: Timestamp) throws -> [Int64] {
        let limits = pipeline.retention.logs
        if limits.isEmpty { return [] }
        let sum = try Row.fetchOne(
            self,
            cached: """
                SELECT count(*) AS count, coalesce(sum(log_bytes), 0) AS bytes FROM run
                WHERE app = ? AND log_bytes IS NOT NULL
                """, arguments: [pipeline.app])
        let oldest = try Row.fetchAll(
            self,
            cached: """
                SELECT id, created_at, log_bytes FROM run
                WHERE app = ? AND log_bytes IS NOT NULL AND \(Run.isLongOver) ORDER BY id LIMIT ?
                """, arguments: [pipeline.app, now.anHourAgo, most]
        ).map { Kept(id: $0["id"], since: $0["created_at"], bytes: $0["log_bytes"]) }
        return limits.surplus(oldest, of: sum?["count"] ?? 0, taking: sum?["bytes"] ?? 0, now: now).map(\.id)
    }

    func surplusRuns(of pipeline: Pipeline, most: Int, now: Timestamp) throws -> [Int64] {
        let limits = pipeline.retention.runs
        if limits.isEmpty { return [] }
        let pinned = try pinnedRuns(of: pipeline)
        // Not all of them: how many more than are allowed, as far as that matters now.
        let count = try limits.count.map {
            try Int.fetchOne(
                self, cached: "SELECT count(*) FROM (SELECT 1 FROM run WHERE app = ? ORDER BY id DESC LIMIT ?)",
                arguments: [pipeline.app, $0 + min(most, .max / 2)])
        }
        let rows = try Row.fetchCursor(
            self, sql: "SELECT id, created_at FROM run WHERE app = ? AND \(Run.isLongOver) ORDER BY id",
            arguments: [pipeline.app, now.anHourAgo])
        var oldest: [Kept] = []
        while oldest.count < most, let row = try rows.next() {
            let run = Kept(id: row["id"], since: row["created_at"], bytes: 0)
            if !pinned.contains(run.id) { oldest.append(run) }
        }
        return limits.surplus(oldest, of: count.flatMap(\.self) ?? 0, taking: 0, now: now).map(\.id)
    }

    /// Runs that are open, that made what stays, or to which an open run goes back.
    private func pinnedRuns(of pipeline: Pipeline) throws -> Set<Int64> {
        let open = try Int64.fetchSet(
            self,
            sql: """
                SELECT run FROM job WHERE \(Job.isOpen) AND app = ?1 UNION
                SELECT deployment.run FROM job JOIN deployment ON deployment.id = job.back_to
                WHERE \(Job.isOpen) AND job.app = ?1
                """, arguments: [pipeline.app])
        return try open.union(keptDeployments(of: pipeline).map(\.run))
    }
}

extension Run {
    static let isOver = "NOT EXISTS (SELECT 1 FROM job WHERE job.run = run.id AND \(Job.isOpen))"

    /// Nor did it end a moment ago: somebody may be reading how. Wants the time of an hour ago.
    static let isLongOver = """
        NOT EXISTS (SELECT 1 FROM job WHERE job.run = run.id AND (\(Job.isOpen) OR job.ended_at > ?))
        """
}

extension Timestamp {
    fileprivate var anHourAgo: Timestamp { Timestamp(milliseconds: milliseconds - 3_600_000) }
}
