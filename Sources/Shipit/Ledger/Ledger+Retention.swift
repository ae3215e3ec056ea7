import GRDB

/// What retention asks of the ledger, and has it forget: each question reads an index, each answer is bounded.
///
/// What may go is judged in the transaction in which it goes, so that nobody can begin to need it in between.
extension Ledger {
    /// The deployments whose releases stay in an environment.
    func keptDeployments(app: String, _ environment: EnvironmentPolicy) throws -> [Deployment] {
        try read { try $0.keptDeployments(app, environment.name, keep: environment.keep) }
    }

    // MARK: Artifacts

    /// Artifacts that a release which stays was made of, or that an open run builds or deploys.
    func neededArtifacts(of pipeline: Pipeline) throws -> Set<Int64> {
        try read { try $0.neededArtifacts(of: pipeline) }
    }

    /// Artifacts that exceed a limit, oldest first.
    func surplusArtifacts(of pipeline: Pipeline, most: Int, now: Timestamp = .now) throws -> [Artifact] {
        try read { try $0.surplusArtifacts(of: pipeline, most: most, now: now) }
    }

    /// Lets artifacts go that exceed a limit. Rows of those that were deployed stay, and remember that the file is gone.
    func forgetArtifacts(
        of pipeline: Pipeline, most: Int, now: Timestamp = .now, deed: (Artifact) -> Void
    ) throws -> [Artifact] {
        // Most of the time there are none, and nobody has to wait for that.
        guard try !surplusArtifacts(of: pipeline, most: 1, now: now).isEmpty else { return [] }
        return try write { db in
            let surplus = try db.surplusArtifacts(of: pipeline, most: most, now: now)
            for artifact in surplus {
                deed(artifact)
                try db.execute(
                    cached: "UPDATE artifact SET removed_at = ? WHERE id = ?", arguments: [now, artifact.id])
                try db.dropArtifact(artifact.id)
            }
            return surplus
        }
    }

    /// Whether a row must stay when its file goes.
    func wasDeployed(_ artifact: Artifact) throws -> Bool {
        try read { db in
            try Int.fetchOne(
                db, cached: "SELECT 1 FROM deployment WHERE artifact = ? LIMIT 1", arguments: [artifact.id])
                != nil
        }
    }

    // MARK: Logs

    /// Runs that are over and whose logs nobody has counted yet.
    func uncountedLogs(app: String, most: Int) throws -> [Int64] {
        try read { db in
            try Int64.fetchAll(
                db,
                cached: """
                    SELECT id FROM run WHERE app = ? AND log_bytes IS NOT NULL AND log_bytes = 0 AND \(Run.isOver)
                    ORDER BY id DESC LIMIT ?
                    """, arguments: [app, most])
        }
    }

    /// Notes the room that the logs of runs take; nil for those that have none.
    func countLogs(_ counts: [(run: Int64, bytes: Int64?)]) throws {
        if counts.isEmpty { return }
        try write { db in
            for count in counts {
                // One that was taken up again meanwhile is counted when it is over.
                try db.execute(
                    cached: "UPDATE run SET log_bytes = ? WHERE id = ? AND log_bytes = 0 AND \(Run.isOver)",
                    arguments: [count.bytes, count.run])
            }
        }
    }

    /// Runs whose logs exceed a limit, oldest first.
    func surplusLogs(of pipeline: Pipeline, most: Int, now: Timestamp = .now) throws -> [Int64] {
        try read { try $0.surplusLogs(of: pipeline, most: most, now: now) }
    }

    /// Lets the logs of runs go that exceed a limit; open runs keep theirs.
    func forgetLogs(
        of pipeline: Pipeline, most: Int, now: Timestamp = .now, deed: (Int64) -> Void
    ) throws -> [Int64] {
        guard try !surplusLogs(of: pipeline, most: 1, now: now).isEmpty else { return [] }
        return try write { db in
            let surplus = try db.surplusLogs(of: pipeline, most: most, now: now)
            for run in surplus {
                deed(run)
                try db.execute(cached: "UPDATE run SET log_bytes = NULL WHERE id = ?", arguments: [run])
            }
            return surplus
        }
    }

    /// Does the deed to those of the runs that have no logs, by the ledger, or are not there at all.
    func forgetStrayLogs(_ runs: [Int64], deed: (Int64) -> Void) throws {
        try write { db in
            for run in runs {
                let hasLogs = try Int.fetchOne(
                    db, cached: "SELECT 1 FROM run WHERE id = ? AND log_bytes IS NOT NULL", arguments: [run])
                if hasLogs == nil { deed(run) }
            }
        }
    }

    // MARK: Runs

    /// Runs that exceed a limit, oldest first.
    func surplusRuns(of pipeline: Pipeline, most: Int, now: Timestamp = .now) throws -> [Int64] {
        try read { try $0.surplusRuns(of: pipeline, most: most, now: now) }
    }

    /// Forgets runs that exceed a limit, with their jobs, deployments, events and pushes.
    func forgetRuns(
        of pipeline: Pipeline, most: Int, now: Timestamp = .now, deed: (Int64) -> Void
    ) throws -> [Int64] {
        guard try !surplusRuns(of: pipeline, most: 1, now: now).isEmpty else { return [] }
        return try write { db in
            let surplus = try db.surplusRuns(of: pipeline, most: most, now: now)
            surplus.forEach(deed)
            try db.drop(runs: surplus, of: pipeline.app)
            return surplus
        }
    }
}
