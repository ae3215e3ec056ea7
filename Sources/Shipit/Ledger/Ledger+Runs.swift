import ArtifactKit
import GRDB
public import GitKit

extension Ledger {
    // MARK: Apps

    public func addApp(_ name: String, repository: String) throws {
        try write { db in
            try db.execute(
                cached: "INSERT OR IGNORE INTO app (name, repository, created_at) VALUES (?, ?, ?)",
                arguments: [name, repository, Timestamp.now])
            try db.execute(cached: "UPDATE app SET repository = ? WHERE name = ?", arguments: [repository, name])
        }
    }

    public func hasApp(_ name: String) throws -> Bool {
        try read { try Int.fetchOne($0, cached: "SELECT 1 FROM app WHERE name = ?", arguments: [name]) != nil }
    }

    /// The app and all that is its own, some runs at a time; one that was interrupted is finished by the next.
    public func removeApp(_ name: String) throws {
        try write { try $0.execute(cached: "DELETE FROM environment WHERE app = ?", arguments: [name]) }
        while try write(.now, { try $0.dropRuns(of: name, most: Retention.most) }) {}
        try write { db in
            try db.execute(
                cached: "DELETE FROM push WHERE id IN (SELECT push FROM push_update WHERE app = ?)", arguments: [name])
            // What its runs said went with them.
            try db.execute(cached: "DELETE FROM event WHERE run IS NULL AND app = ?", arguments: [name])
            try db.execute(cached: "DELETE FROM app WHERE name = ?", arguments: [name])
        }
    }

    // MARK: Runs that people start

    /// A run without a new commit: builds, or uses the artifact there is.
    public func start(
        _ app: String, _ revision: Revision, rebuild: Bool, by: String, policy: Policy, course: Course = Course(),
        isNext: Bool = false
    ) throws -> Int64 {
        try write { db in
            let run = try db.insertRun(
                .start, app: app, revision, by: by, rebuild: rebuild, course: course, isNext: isNext)
            try db.adopt(policy)
            let origin = Steering.Origin(kind: .start, revision: revision, by: by, course)
            try steer(db, app, .arrived(run: run, origin), orUnder: policy)
            return run
        }
    }

    /// A run that deploys an artifact to one environment without a build.
    public func promote(
        _ artifact: Artifact, to environment: String, by: String, reason: String?, policy: Policy,
        ignoringStopFailures: Bool = false, isEmergency: Bool = false
    ) throws -> Int64 {
        try write { db in
            try db.checkNobodyPromotes(artifact, to: environment)
            let run = try db.insertRun(
                .promote, app: artifact.app, artifact.revision, by: by, reason: reason, isEmergency: isEmergency)
            try db.adopt(policy)
            let position = (policy.pipeline.environments.firstIndex { $0.name == environment } ?? 0) + 1
            let step = Steering.Step(
                key: Steering.Step.Key(run: run, position: position), kind: .deploy, name: environment,
                origin: Steering.Origin(kind: .promote, revision: artifact.revision, by: by), artifact: artifact.id,
                content: artifact.manifest?.description ?? "", by: by, isEmergency: isEmergency)
            try steer(db, artifact.app, .called(step), orUnder: policy)
            try db.execute(
                cached: "UPDATE job SET ignores_stop_failures = ?, why = ? WHERE run = ? AND position = ?",
                arguments: [ignoringStopFailures, reason, run, position])
            return run
        }
    }

    /// A promotion of a run that waits continues it, under today's policy.
    public func promote(
        waiting job: Job, by: String, policy: Policy, reason: String? = nil, ignoringStopFailures: Bool = false,
        isEmergency: Bool = false
    ) throws {
        try write { db in
            try db.adopt(policy)
            let now = try Job.fetchOne(db, cached: "SELECT * FROM job WHERE id = ?", arguments: [job.id])
            guard let now, now.status == .waiting else {
                throw ShipitError(.busy, "run \(job.run) does not wait any more", hint: "shipit show \(job.run)")
            }
            if let other = now.by, !isEmergency {
                throw ShipitError(
                    .busy, "run \(job.run) was promoted by \(other) meanwhile", hint: "shipit show \(job.run)")
            }
            let key = Steering.Step.Key(run: job.run, position: job.position)
            try steer(db, job.app, .promoted(key, by: by, isEmergency: isEmergency), orUnder: policy) {
                try db.execute(
                    cached: """
                        UPDATE job SET by = ?, why = ?, policy = ?, ignores_stop_failures = ?, emergency = ?
                        WHERE id = ?
                        """, arguments: [by, reason, policy.digest, ignoringStopFailures, isEmergency, job.id])
                let how = isEmergency ? "in an EMERGENCY " : ""
                try db.say(
                    .jobPromoted, app: job.app, run: job.run, job: job.id,
                    "promoted to \(job.name) \(how)by \(by)\(reason.map { ": \($0)" } ?? "")")
            }
        }
    }

    /// A run that makes an earlier release live again; the deployment that runs there is cancelled.
    ///
    /// `from`: what was live when it was decided. Another one now, or another rollback on its way, and it is refused: two
    /// people who are woken by one alarm must not go back twice.
    public func rollBack(
        to deployment: Deployment, from live: Int64? = nil, by: String, reason: String?, policy: Policy,
        ignoringStopFailures: Bool = false,
        skippingRollbackHook: Bool = false, withoutSecrets: Bool = false
    ) throws -> Int64 {
        try write { db in
            let app = deployment.app
            if let live { try db.checkRollback(to: deployment.id, in: deployment.environment, of: app, from: live) }
            let run = try db.insertRun(.rollback, app: app, deployment.revision, by: by, reason: reason)
            try db.adopt(policy)
            let position = (policy.pipeline.environments.firstIndex { $0.name == deployment.environment } ?? 0) + 1
            var step = Steering.Step(
                key: Steering.Step.Key(run: run, position: position), kind: .deploy, name: deployment.environment,
                origin: Steering.Origin(kind: .rollback, revision: deployment.revision, by: by),
                artifact: deployment.artifact, by: by)
            step.isRollback = true
            try steer(db, app, .called(step), orUnder: policy)
            try db.execute(
                cached: """
                    UPDATE job SET back_to = ?, ignores_stop_failures = ?, skips_rollback_hook = ?, why = ?,
                    without_secrets = ?
                    WHERE run = ? AND position = ?
                    """,
                arguments: [
                    deployment.id, ignoringStopFailures, skippingRollbackHook, reason, withoutSecrets, run,
                    position,
                ])
            try db.execute(
                cached: """
                    UPDATE job SET cancelled_by = ? WHERE app = ? AND name = ? AND kind = 'deploy'
                    AND status = 'running' AND back_to IS NULL AND cancelled_by IS NULL
                    """, arguments: ["the rollback, run \(run)", app, deployment.environment])
            return run
        }
    }

    // MARK: Reading

    public func run(_ id: Int64) throws -> RunRecord? {
        try read { db in
            guard let run = try Run.fetchOne(db, cached: "SELECT * FROM run WHERE id = ?", arguments: [id]) else {
                return nil
            }
            return RunRecord(run: run, jobs: try db.jobs(of: id))
        }
    }

    /// Newest first.
    public func runs(app: String?, limit: Int) throws -> [RunRecord] {
        try read { db in
            let runs =
                if let app {
                    try Run.fetchAll(
                        db, cached: "SELECT * FROM run WHERE app = ? ORDER BY id DESC LIMIT ?", arguments: [app, limit])
                } else {
                    try Run.fetchAll(db, cached: "SELECT * FROM run ORDER BY id DESC LIMIT ?", arguments: [limit])
                }
            return try runs.map { RunRecord(run: $0, jobs: try db.jobs(of: $0.id)) }
        }
    }

    /// The runs of a revision, newest first.
    public func runs(app: String, revision: Revision) throws -> [RunRecord] {
        try read { db in
            try Run.fetchAll(
                db, cached: "SELECT * FROM run WHERE app = ? AND revision = ? ORDER BY id DESC",
                arguments: [app, revision.hex]
            ).map { RunRecord(run: $0, jobs: try db.jobs(of: $0.id)) }
        }
    }

    /// Runs with a job that is queued, running or waiting, oldest first.
    public func openRuns(app: String? = nil) throws -> [RunRecord] {
        try read { db in
            let ids = try Int64.fetchAll(
                db,
                cached: """
                    SELECT DISTINCT run FROM job WHERE \(Job.isOpen) AND (?1 IS NULL OR app = ?1) ORDER BY run
                    """, arguments: [app])
            return try ids.compactMap { id in
                try Run.fetchOne(db, cached: "SELECT * FROM run WHERE id = ?", arguments: [id]).map {
                    RunRecord(run: $0, jobs: try db.jobs(of: id))
                }
            }
        }
    }

    /// Nothing more happens by itself: it ended, or it waits for a person or a time, or behind a run that does.
    public func isAtRest(_ record: RunRecord) throws -> Bool {
        guard record.status == .waiting, record.jobs.last?.waits == .turn else {
            return record.status.isFinal || record.status == .waiting
        }
        return try openRuns(app: record.run.app).allSatisfy { $0.run.id >= record.run.id || $0.status == .waiting }
    }

    /// What whoever started the run gave it, by name.
    public func variables(of run: Int64) throws -> [String: String] {
        try read { db in
            let rows = try Row.fetchAll(
                db, cached: "SELECT name, value FROM run_variable WHERE run = ?", arguments: [run])
            return Dictionary(rows.map { ($0["name"], $0["value"]) }) { $1 }
        }
    }

    public func policyText(_ digest: String) throws -> String? {
        try read { try String.fetchOne($0, cached: "SELECT text FROM policy WHERE digest = ?", arguments: [digest]) }
    }

    /// The revisions whose prefix is `prefix`, in lower case, among those that runs know; a few when there are many.
    public func revisions(of app: String, prefix: String) throws -> [Revision] {
        try read { db in
            try String.fetchAll(
                db,
                cached: """
                    SELECT DISTINCT revision FROM run WHERE app = ?1 AND revision >= ?2 AND revision < ?2 || 'g' LIMIT 10
                    """, arguments: [app, prefix]
            ).compactMap { ObjectID($0) }
        }
    }
}

extension Database {
    /// Two people at once, or one who asks twice: the same artifact does not go to the same place by two runs.
    fileprivate func checkNobodyPromotes(_ artifact: Artifact, to environment: String) throws {
        let run = try Int64.fetchOne(
            self,
            cached: """
                SELECT run FROM job WHERE \(Job.isOpen) AND app = ? AND name = ? AND kind = 'deploy' AND artifact = ?
                AND back_to IS NULL AND cancelled_by IS NULL
                """, arguments: [artifact.app, environment, artifact.id])
        guard let run else { return }
        throw ShipitError(
            .busy, "run \(run) is on its way to \(environment) with \(artifact.revision.abbreviated()) already",
            hint: "shipit log \(run) -f follows it")
    }

    func insertRun(
        _ kind: Run.Kind, app: String, _ revision: Revision, reference: String? = nil, by: String,
        reason: String? = nil, rebuild: Bool = false, course: Course = Course(), isNext: Bool = false,
        isEmergency: Bool = false
    ) throws -> Int64 {
        try execute(
            cached: """
                INSERT INTO run (
                    app, kind, revision, reference, by, reason, rebuild, entry, goal, is_next, emergency, created_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                app, kind, revision.hex, reference, by, reason ?? course.reason, rebuild, course.entry, course.goal,
                isNext, isEmergency, Timestamp.now,
            ])
        let id = lastInsertedRowID
        for (name, value) in course.variables {
            try execute(
                cached: "INSERT INTO run_variable (run, name, value) VALUES (?, ?, ?)", arguments: [id, name, value])
        }
        let what = [kind == .push ? reference.map { "push to \($0)" } ?? "push" : kind.rawValue, "by \(by)"]
        try say(.runCreated, app: app, run: id, "run \(id): \(what.joined(separator: " ")), \(revision.abbreviated())")
        return id
    }

    func keep(_ policy: Policy) throws {
        try execute(
            cached: "INSERT OR IGNORE INTO policy (digest, text) VALUES (?, ?)",
            arguments: [policy.digest, policy.text])
    }

    @discardableResult
    func insertJob(
        run: Int64, app: String, position: Int, name: String, kind: Job.Kind, policy: Policy, artifact: Int64? = nil,
        by: String? = nil, waits: Job.Wait? = nil, reason: String? = nil, wakesAt: Timestamp? = nil,
        isEmergency: Bool = false
    ) throws -> Int64 {
        try keep(policy)
        try execute(
            cached: """
                INSERT INTO job (run, app, position, name, kind, status, waits, reason, policy, artifact, by, wakes_at,
                    emergency, created_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                run, app, position, name, kind, waits == nil ? Status.queued : .waiting, waits, reason, policy.digest,
                artifact, by, wakesAt, isEmergency, Timestamp.now,
            ])
        let id = lastInsertedRowID
        if waits == nil {
            try say(.jobQueued, app: app, run: run, job: id, "\(name) queued")
        } else {
            try say(.jobWaiting, app: app, run: run, job: id, "\(name) waits: \(reason ?? "")")
        }
        return id
    }

    func jobs(of run: Int64) throws -> [Job] {
        try Job.fetchAll(self, cached: "SELECT * FROM job WHERE run = ? ORDER BY position", arguments: [run])
    }

    func supersede(_ id: Int64, by run: Int64) throws {
        guard let job = try Job.fetchOne(self, cached: "SELECT * FROM job WHERE id = ?", arguments: [id]) else {
            return
        }
        let reason = "superseded by run \(run)"
        try execute(
            cached: """
                UPDATE job SET status = 'superseded', waits = NULL, wakes_at = NULL, reason = ?, ended_at = ? WHERE id = ?
                """, arguments: [reason, Timestamp.now, id])
        // One that was interrupted and waits to be taken up again ends with its job, or its release is kept for ever.
        try execute(
            cached: """
                UPDATE deployment SET status = 'superseded', reason = ?, ended_at = ?
                WHERE job = ? AND status IN ('queued', 'running', 'waiting')
                """, arguments: [reason, Timestamp.now, id])
        try voidApprovals(of: job, because: reason)
        try say(.jobSuperseded, app: job.app, run: job.run, job: id, "\(job.name) \(reason)")
    }
}
