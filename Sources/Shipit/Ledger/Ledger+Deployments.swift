import GRDB
public import GitKit

extension Ledger {
    /// The deployment ended well: the environment's state, the next job and the events in one transaction.
    public func finishDeployment(
        _ job: Job, _ deployment: Deployment, duration: Duration, policy: Policy,
        notes: DeploymentNotes = DeploymentNotes()
    ) throws {
        try write { db in
            let what = deployment.kind == .rollback ? "is back at" : "is live at"
            let words = "\(job.name) \(what) \(deployment.revision.abbreviated()) after \(duration.spoken)"
            guard try db.canEnd(job, as: .succeeded) else { return }
            let environment = deployment.environment
            let former = try String.fetchOne(
                db,
                cached: """
                    SELECT revision FROM environment JOIN deployment ON deployment.id = environment.live
                    WHERE environment.app = ? AND environment.name = ?
                    """, arguments: [job.app, environment])
            let key = Steering.Step.Key(run: job.run, position: job.position)
            let happening = Happening.deployed(key, deployment: deployment.id, from: former.flatMap { ObjectID($0) })
            try steer(db, job.app, happening, orUnder: policy) {
                try db.end(job, Ending(.succeeded, duration: duration), saying: words)
                try db.keep(notes, of: deployment)
                try db.execute(
                    cached: """
                        UPDATE environment SET previous = CASE WHEN live IS ?1 THEN previous ELSE live END, live = ?1
                        WHERE app = ?2 AND name = ?3
                        """, arguments: [deployment.id, job.app, environment])
            }
            guard let by = try db.cancelled(job) else { return }
            // It came to its end before it could be stopped; what was asked for is that the run goes no further.
            for next in try db.jobs(of: job.run) where !next.status.isFinal {
                try end(db, next, Ending(.cancelled, "cancelled by \(by)", duration: .zero))
            }
        }
    }

    /// The deployment did not succeed; `isLive` when its release is live all the same, since nothing put it back.
    func endDeployment(
        _ job: Job, _ deployment: Deployment, as ending: Ending, isLive: Bool,
        notes: DeploymentNotes = DeploymentNotes()
    ) throws {
        try write { db in
            guard try end(db, job, ending) else { return }
            try db.keep(notes, of: deployment)
            guard isLive else { return }
            try db.execute(
                cached: """
                    UPDATE environment SET previous = CASE WHEN live IS ?1 THEN previous ELSE live END, live = ?1
                    WHERE app = ?2 AND name = ?3
                    """, arguments: [deployment.id, job.app, deployment.environment])
        }
    }

    public func deployment(of job: Int64) throws -> Deployment? {
        try read { try Deployment.fetchOne($0, cached: "SELECT * FROM deployment WHERE job = ?", arguments: [job]) }
    }

    public func deployment(_ id: Int64) throws -> Deployment? {
        try read { try Deployment.fetchOne($0, cached: "SELECT * FROM deployment WHERE id = ?", arguments: [id]) }
    }

    /// Newest first; all environments when none is named.
    public func deployments(app: String, environment: String? = nil, limit: Int) throws -> [Deployment] {
        try read { db in
            var names = [environment].compactMap(\.self)
            if environment == nil {
                names = try String.fetchAll(db, cached: "SELECT name FROM environment WHERE app = ?", arguments: [app])
            }
            let newest = try names.flatMap { name in
                try Deployment.fetchAll(
                    db, cached: "SELECT * FROM deployment WHERE app = ? AND environment = ? ORDER BY id DESC LIMIT ?",
                    arguments: [app, name, limit])
            }
            return Array(newest.sorted { $0.id > $1.id }.prefix(limit))
        }
    }

    /// Releases that worked, newest first, each by the newest deployment that it was verified in.
    ///
    /// `revision`: those of that revision alone. `isWanted` may say no to some.
    func goodReleases(
        app: String, environment: String, revision: Revision? = nil, limit: Int,
        where isWanted: (Deployment) throws -> Bool = { _ in true }
    ) throws -> [Deployment] {
        try read { try $0.goodReleases(app, environment, revision: revision, limit: limit, where: isWanted) }
    }

    /// Whether a release of that number and revision was ever made there.
    func hasRelease(_ number: Int, revision prefix: String, app: String, environment: String) throws -> Bool {
        try read { db in
            try Int.fetchOne(
                db,
                cached: """
                    SELECT 1 FROM deployment WHERE app = ?1 AND environment = ?2
                    AND revision >= ?3 AND revision < ?3 || 'g' AND release = ?4 LIMIT 1
                    """, arguments: [app, environment, prefix, number]) != nil
        }
    }

    public func environment(_ app: String, _ name: String) throws -> EnvironmentState {
        try read { try $0.environmentState(app, name) }
    }

    /// Whether the revision was once verified live there.
    public func wasVerified(_ revision: Revision, app: String, environment: String) throws -> Deployment? {
        try read { db in
            try Deployment.fetchOne(
                db,
                cached: """
                    SELECT * FROM deployment WHERE app = ? AND environment = ? AND revision = ? AND status = 'succeeded'
                    ORDER BY id DESC LIMIT 1
                    """, arguments: [app, environment, revision.hex])
        }
    }

    public func badRevisions(app: String, environment: String) throws -> Set<Revision> {
        try read { db in
            Set(
                try String.fetchAll(
                    db, cached: "SELECT revision FROM bad_revision WHERE app = ? AND environment = ?",
                    arguments: [app, environment]
                ).compactMap { ObjectID($0) })
        }
    }

    // MARK: Artifacts

    public func artifact(_ id: Int64) throws -> Artifact? {
        try read { try Artifact.fetchOne($0, cached: "SELECT * FROM artifact WHERE id = ?", arguments: [id]) }
    }

    /// Those whose file was kept, newest first.
    public func artifacts(app: String?) throws -> [Artifact] {
        try read { db in
            // By way of the apps, so that those whose file is gone are not read: the joined columns are an index's.
            try Artifact.fetchAll(
                db,
                cached: """
                    SELECT artifact.* FROM app CROSS JOIN artifact ON artifact.app = app.name
                    WHERE (?1 IS NULL OR app.name = ?1) AND artifact.removed_at IS NULL ORDER BY artifact.id DESC
                    """, arguments: [app])
        }
    }

    /// Those that have a tarball, newest first.
    func packedArtifacts(app: String, limit: Int) throws -> [Artifact] {
        try read { db in
            try Artifact.fetchAll(
                db,
                cached: """
                    SELECT * FROM artifact WHERE app = ? AND removed_at IS NULL AND digest <> '' ORDER BY id DESC LIMIT ?
                    """, arguments: [app, limit])
        }
    }

    /// Those of a revision whose file was kept, newest first; one that was rebuilt to other bytes has several.
    public func artifacts(app: String, revision: Revision) throws -> [Artifact] {
        try read { db in
            try Artifact.fetchAll(
                db,
                cached: "SELECT * FROM artifact WHERE app = ? AND revision = ? AND removed_at IS NULL ORDER BY id DESC",
                arguments: [app, revision.hex])
        }
    }

    // MARK: Holds

    public func hold(_ app: String, _ environment: String, _ hold: Hold) throws {
        try write { db in
            try steer(db, app, .held(environment, hold)) { try db.place(hold, app, environment) }
        }
    }

    /// Lifts a hold and lets go what waited for it; false when there was none.
    public func unhold(_ app: String, _ environment: String, by: String) throws -> Bool {
        try write { db in
            guard try db.hold(app, environment) != nil else { return false }
            try steer(db, app, .lifted(environment)) { try db.liftHold(app, environment, kind: nil, by: by) }
            return true
        }
    }

    /// Lifts every hold whose time is over; gives the time of the next one.
    @discardableResult
    public func liftHoldsThatAreOver() throws -> Timestamp? {
        let ends = try read { try $0.holdEnds() }
        let now = Timestamp.now
        if ends.contains(where: { $0 <= now }) {
            try write { db in
                let rows = try Row.fetchAll(
                    db, cached: "SELECT app, name FROM environment WHERE hold_until <= ?", arguments: [now])
                for row in rows {
                    let (app, name): (String, String) = (row["app"], row["name"])
                    try steer(db, app, .lifted(name)) { try db.liftHold(app, name, kind: nil, by: "its end") }
                    // No person lifted the lighter one that a rollback placed, or would have placed.
                    guard let live = try db.environmentState(app, name).live, live.kind == .rollback else { continue }
                    let hold = Hold(
                        kind: .rollback, reason: "rolled back to \(live.revision.abbreviated())", by: live.by,
                        since: now, until: nil)
                    try steer(db, app, .held(name, hold)) { try db.place(hold, app, name) }
                }
            }
        }
        return ends.filter { $0 > now }.min()
    }
}

extension Database {
    func holdEnds() throws -> [Timestamp] {
        try Timestamp.fetchAll(self, cached: "SELECT hold_until FROM environment WHERE hold_until IS NOT NULL")
    }

    fileprivate func makeSureOfEnvironment(_ app: String, _ name: String) throws {
        try execute(cached: "INSERT OR IGNORE INTO environment (app, name) VALUES (?, ?)", arguments: [app, name])
    }

    /// The deployment's row: made once for a job, with a new token for every attempt.
    func beginDeployment(_ job: Job) throws -> Deployment? {
        try makeSureOfEnvironment(job.app, job.name)
        try execute(cached: "UPDATE fence SET token = token + 1")
        let token = try Int64.fetchOne(self, cached: "SELECT token FROM fence") ?? 0
        let target = try job.backTo.flatMap {
            try Deployment.fetchOne(self, cached: "SELECT * FROM deployment WHERE id = ?", arguments: [$0])
        }
        let existing = try Deployment.fetchOne(
            self, cached: "SELECT * FROM deployment WHERE job = ?", arguments: [job.id])
        if let existing {
            let live = try Int64.fetchOne(
                self, cached: "SELECT live FROM environment WHERE app = ? AND name = ?", arguments: [job.app, job.name])
            if live == existing.id, existing.kind == .deploy {
                // Its failed release was left live: what is live is never written into, so this is a new one.
                let release = try nextRelease(job)
                try execute(
                    cached: "UPDATE deployment SET release = ? WHERE id = ?", arguments: [release, existing.id])
            }
            try execute(
                cached: """
                    UPDATE deployment SET status = 'running', reason = NULL, token = ?, ended_at = NULL, duration = NULL,
                    previous = (SELECT live FROM environment WHERE app = ? AND name = ?) WHERE id = ?
                    """, arguments: [token, job.app, job.name, existing.id])
        } else {
            let run = try Run.fetchOne(self, cached: "SELECT * FROM run WHERE id = ?", arguments: [job.run])
            var release = target?.release
            if job.backTo == nil { release = try nextRelease(job) }
            try execute(
                cached: """
                    INSERT INTO deployment
                    (job, run, app, environment, kind, revision, artifact, release, previous, status, by, token,
                    emergency, created_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, (SELECT live FROM environment WHERE app = ? AND name = ?),
                    'running', ?, ?, ?, ?)
                    """,
                arguments: [
                    job.id, job.run, job.app, job.name, job.backTo == nil ? Deployment.Kind.deploy : .rollback,
                    run?.revision.hex, job.artifact, release, job.app, job.name, job.by ?? run?.by ?? "", token,
                    job.isEmergency, Timestamp.now,
                ])
        }
        return try Deployment.fetchOne(self, cached: "SELECT * FROM deployment WHERE job = ?", arguments: [job.id])
    }

    /// Numbers of releases only grow, and are never given out twice.
    private func nextRelease(_ job: Job) throws -> Int? {
        try execute(
            cached: "UPDATE environment SET last_release = last_release + 1 WHERE app = ? AND name = ?",
            arguments: [job.app, job.name])
        return try Int.fetchOne(
            self, cached: "SELECT last_release FROM environment WHERE app = ? AND name = ?",
            arguments: [job.app, job.name])
    }

    func goodReleases(
        _ app: String, _ environment: String, revision: Revision? = nil, limit: Int,
        where isWanted: (Deployment) throws -> Bool = { _ in true }
    ) throws -> [Deployment] {
        var good: [Deployment] = []
        var sql = "SELECT * FROM deployment WHERE app = ? AND environment = ? AND status = 'succeeded'"
        if revision != nil { sql += " AND revision = ?" }
        let deployments = try Deployment.fetchCursor(
            self, sql: "\(sql) ORDER BY id DESC",
            arguments: StatementArguments([app, environment] + [revision?.hex].compactMap(\.self)))
        while good.count < limit, let deployment = try deployments.next() {
            guard let release = deployment.release, try isWanted(deployment) else { continue }
            if !good.contains(where: { $0.release == release }) { good.append(deployment) }
        }
        return good
    }

    func environmentState(_ app: String, _ name: String) throws -> EnvironmentState {
        func deployment(_ column: String) throws -> Deployment? {
            try Deployment.fetchOne(
                self,
                cached: """
                    SELECT deployment.* FROM deployment JOIN environment ON environment.\(column) = deployment.id
                    WHERE environment.app = ? AND environment.name = ?
                    """, arguments: [app, name])
        }
        let hold = try hold(app, name)
        return EnvironmentState(
            app: app, name: name, live: try deployment("live"), previous: try deployment("previous"),
            hold: hold.flatMap { $0.isOver(at: .now) ? nil : $0 })
    }

    func hold(_ app: String, _ name: String) throws -> Hold? {
        let row = try Row.fetchOne(
            self, cached: "SELECT * FROM environment WHERE app = ? AND name = ? AND hold_kind IS NOT NULL",
            arguments: [app, name])
        return row.map {
            Hold(
                kind: $0["hold_kind"], reason: $0["hold_reason"], by: $0["hold_by"], since: $0["hold_since"],
                until: $0["hold_until"])
        }
    }

    func place(_ hold: Hold, _ app: String, _ name: String) throws {
        try makeSureOfEnvironment(app, name)
        try execute(
            cached: """
                UPDATE environment SET hold_kind = ?, hold_reason = ?, hold_by = ?, hold_since = ?, hold_until = ?
                WHERE app = ? AND name = ?
                """,
            arguments: [hold.kind, hold.reason, hold.by, hold.since, hold.until, app, name])
        try say(.holdPlaced, app: app, environment: name, "\(name) is held by \(hold.by): \(hold.reason)")
    }

    func liftHold(_ app: String, _ name: String, kind: Hold.Kind?, by: String) throws {
        guard let hold = try hold(app, name), kind == nil || hold.kind == kind else { return }
        try execute(
            cached: """
                UPDATE environment SET hold_kind = NULL, hold_reason = NULL, hold_by = NULL, hold_since = NULL,
                hold_until = NULL WHERE app = ? AND name = ?
                """, arguments: [app, name])
        try say(.holdLifted, app: app, environment: name, "the hold on \(name) was lifted by \(by)")
    }

    func markBad(_ revision: Revision, _ app: String, _ environment: String, by: String, reason: String?) throws {
        try execute(
            cached: """
                INSERT OR REPLACE INTO bad_revision (app, environment, revision, by, at, reason)
                VALUES (?, ?, ?, ?, ?, ?)
                """, arguments: [app, environment, revision.hex, by, Timestamp.now, reason])
    }
}
