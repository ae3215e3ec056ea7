import GRDB
import GitKit

/// Lets the rules decide, and records what they say, in the transaction of whatever happened.
extension Ledger {
    /// Decides about what happened to an app under the policy that was read last; `policy` when there is none yet.
    ///
    /// `record` writes down the happening itself, between the decision and what follows from it.
    func steer(
        _ db: Database, _ app: String, _ happening: Happening, orUnder policy: Policy? = nil,
        recording record: () throws -> Void = {}
    ) throws {
        guard let today = try db.today(app, policies) ?? policy else { return try record() }
        var steering = try db.steering(app, today)
        try db.look(at: happening, of: app, &steering)
        let actions = steering.decide(happening, at: .now)
        try record()
        for action in actions { try db.carryOut(action, happening, app, today) }
    }

    /// Decides about several of one moment, one after the other: what the rules know is loaded once, since a push may
    /// bring a thousand runs at a time.
    func steer(_ db: Database, _ app: String, _ happenings: [Happening], orUnder policy: Policy) throws {
        let today = try db.today(app, policies) ?? policy
        var steering = try db.steering(app, today)
        for happening in happenings {
            try db.look(at: happening, of: app, &steering)
            for action in steering.decide(happening, at: .now) { try db.carryOut(action, happening, app, today) }
        }
    }

    /// A policy was read: what waits is judged by it from now on. Cheap when it is the one that is known.
    public func look(under policy: Policy) throws {
        let app = policy.pipeline.app
        let known = try read {
            try String.fetchOne($0, cached: "SELECT policy FROM app WHERE name = ?", arguments: [app])
        }
        guard known != policy.digest else { return }
        try write { db in
            try db.adopt(policy)
            try steer(db, app, .looked)
        }
    }

    /// Looks again at what was to be looked at by now, and lifts holds that are over.
    func lookAtWhatIsDue() throws {
        let now = Timestamp.now
        let apps = try read { db in
            try String.fetchAll(
                db,
                cached: """
                    SELECT DISTINCT app FROM job WHERE \(Job.isOpen) AND status = 'waiting' AND wakes_at <= ?
                    """, arguments: [now])
        }
        for app in apps { try write { try steer($0, app, .looked) } }
    }

    // MARK: A pause of everything

    public func pause() throws -> Pause? { try read { try $0.pause() } }

    /// Nothing begins any more, whatever it is; what runs comes to its end.
    public func pause(by: String, reason: String) throws {
        try write { db in
            guard try db.pause() == nil else { return }
            try db.execute(
                cached: "INSERT INTO pause (id, by, reason, since) VALUES (1, ?, ?, ?)",
                arguments: [by, reason, Timestamp.now])
            try db.say(.queuePaused, "everything is paused by \(by): \(reason)")
            for app in try db.appsWithOpenJobs() { try steer(db, app, .paused("\(by): \(reason)")) }
        }
    }

    /// False when nothing was paused.
    public func resume(by: String) throws -> Bool {
        try write { db in
            guard try db.pause() != nil else { return false }
            try db.execute(cached: "DELETE FROM pause")
            try db.say(.queueResumed, "resumed by \(by)")
            for app in try db.appsWithOpenJobs() { try steer(db, app, .resumed) }
            return true
        }
    }
}

/// The whole queue stands still, for an upgrade of the machine or of shipit.
public struct Pause: Hashable, Sendable {
    public let by: String
    public let reason: String
    public let since: Timestamp
}

extension Ledger {
    /// A deployment goes by the policy that let it go, and not by the one under which it began to wait; one that was
    /// interrupted goes on as it began.
    func bringUpToDate(_ db: Database, _ job: Job) throws {
        guard job.kind == .deploy, let today = try db.today(job.app, policies), today.digest != job.policy,
            today.pipeline.environment(job.name) != nil
        else { return }
        let status = try Status.fetchOne(
            db, cached: "SELECT status FROM deployment WHERE job = ?", arguments: [job.id])
        guard status != .queued else { return }
        try db.execute(cached: "UPDATE job SET policy = ? WHERE id = ?", arguments: [today.digest, job.id])
    }
}

extension Database {
    /// The policy counts from now on.
    func adopt(_ policy: Policy) throws {
        try keep(policy)
        try execute(
            cached: "UPDATE app SET policy = ?1 WHERE name = ?2 AND policy IS NOT ?1",
            arguments: [policy.digest, policy.pipeline.app])
    }

    /// The policy that was read last.
    func today(_ app: String, _ policies: PolicyCache) throws -> Policy? {
        let row = try Row.fetchOne(
            self, cached: "SELECT policy.* FROM app JOIN policy ON policy.digest = app.policy WHERE app.name = ?",
            arguments: [app])
        guard let row else { return nil }
        let text: String = row["text"]
        return try policies.policy(Array(text.utf8), file: "pipeline.yml").policy
    }

    func pause() throws -> Pause? {
        try Row.fetchOne(self, cached: "SELECT * FROM pause").map {
            Pause(by: $0["by"], reason: $0["reason"], since: $0["since"])
        }
    }

    fileprivate func appsWithOpenJobs() throws -> [String] {
        try String.fetchAll(self, cached: "SELECT DISTINCT app FROM job WHERE \(Job.isOpen)")
    }

    // MARK: Loading

    /// What the rules know of an app: its open jobs, its environments, and what is known of the revisions on their way.
    func steering(_ app: String, _ policy: Policy) throws -> Steering {
        var places: [String: Steering.Place] = [:]
        for row in try Row.fetchAll(self, cached: "SELECT * FROM environment WHERE app = ?", arguments: [app]) {
            let name: String = row["name"]
            places[name] = Steering.Place(live: row["live"], hold: try hold(app, name))
        }
        let pause = try pause().map { "\($0.by): \($0.reason)" }
        let steps = try Row.fetchAll(
            self,
            cached: "\(Steering.Step.selection) WHERE \(Job.isOpen) AND job.app = ? ORDER BY job.run, job.position",
            arguments: [app]
        ).map { try step($0) }
        var steering = Steering(
            pipeline: policy.pipeline, policy: policy.digest, steps: steps, places: places, pause: pause)
        for step in steps { try look(at: step.origin.revision, step.artifact, of: app, &steering) }
        return steering
    }

    /// What comes with the happening is not among the open jobs yet.
    fileprivate func look(at happening: Happening, of app: String, _ steering: inout Steering) throws {
        switch happening {
        case .called(let step), .retried(let step, _):
            try look(at: step.origin.revision, step.artifact, of: app, &steering)
        case .built(let key, let artifact, _):
            guard let step = steering.steps.first(where: { $0.key == key }) else { return }
            try look(at: step.origin.revision, artifact, of: app, &steering)
        default: return
        }
    }

    /// What the environments know of something that may go there.
    private func look(
        at revision: Revision, _ artifact: Int64?, of app: String, _ steering: inout Steering
    ) throws {
        for environment in steering.pipeline.environments {
            let name = environment.name
            let isBad = try Int.fetchOne(
                self, cached: "SELECT 1 FROM bad_revision WHERE app = ? AND environment = ? AND revision = ?",
                arguments: [app, name, revision.hex])
            if isBad != nil { steering.bad[name, default: []].insert(revision) }
            guard environment.soak != nil, let artifact, let before = steering.pipeline.before(name) else { continue }
            steering.verified[before.name, default: [:]][artifact] = try Timestamp.fetchOne(
                self,
                cached: """
                    SELECT min(ended_at) FROM deployment
                    WHERE app = ? AND environment = ? AND revision = ? AND artifact = ? AND status = 'succeeded'
                    """, arguments: [app, before.name, revision.hex, artifact])
        }
    }

    /// One job as the rules see it, whether it is open or not.
    func step(of job: Int64) throws -> Steering.Step? {
        try Row.fetchOne(self, cached: "\(Steering.Step.selection) WHERE job.id = ?", arguments: [job]).map {
            try step($0)
        }
    }

    private func step(_ row: Row) throws -> Steering.Step {
        let job = try Job(row: row)
        guard let revision = ObjectID(row["run_revision"] as String) else {
            throw ShipitError(.failure, "the ledger has an unreadable revision", hint: "shipit fsck")
        }
        var step = Steering.Step(
            key: Steering.Step.Key(run: job.run, position: job.position), kind: job.kind, name: job.name,
            origin: Steering.Origin(
                kind: row["run_kind"], revision: revision, by: row["run_by"], entry: row["run_entry"],
                goal: row["run_goal"]),
            status: job.status, wait: job.waits, reason: job.reason, wakesAt: job.wakesAt, artifact: job.artifact,
            content: row["content"] ?? "", by: job.by, isRollback: job.backTo != nil, isEmergency: job.isEmergency)
        step.isInterrupted = (row["deployment_status"] as String?) == "queued"
        step.isUnwanted = job.cancelledBy != nil
        if step.origin.kind == .promote {
            step.origin.madeBy = try Int64.fetchOne(
                self,
                cached: """
                    SELECT max(id) FROM run WHERE app = ? AND revision = ? AND kind IN ('push', 'start') AND id < ?
                    """, arguments: [job.app, revision.hex, job.run])
        }
        step.retries = job.retries
        if job.kind == .deploy, job.status == .waiting || job.status == .queued {
            step.approvals = try Row.fetchAll(
                self, cached: "SELECT * FROM approval WHERE job = ? AND void IS NULL AND used_by IS NULL ORDER BY id",
                arguments: [job.id]
            ).map { row in
                Steering.Approval(
                    id: row["id"], by: row["by"], isAuthor: row["by_author"], expiresAt: row["expires_at"],
                    content: row["artifact"], policy: row["policy"], live: row["live"])
            }
        }
        return step
    }

    // MARK: Carrying out

    private func id(_ key: Steering.Step.Key) throws -> Int64? {
        try Int64.fetchOne(
            self, cached: "SELECT id FROM job WHERE run = ? AND position = ?", arguments: [key.run, key.position])
    }

    fileprivate func carryOut(_ action: Action, _ happening: Happening, _ app: String, _ policy: Policy) throws {
        switch action {
        case .make(let step):
            try insertJob(
                run: step.key.run, app: app, position: step.key.position, name: step.name, kind: step.kind,
                policy: policy, artifact: step.artifact, by: step.by, waits: step.wait, reason: step.reason,
                wakesAt: step.wakesAt, isEmergency: step.isEmergency)
        case .wait(let key, let wait, let reason, let until):
            try execute(
                cached: """
                    UPDATE job SET status = 'waiting', waits = ?, reason = ?, wakes_at = ? WHERE run = ? AND position = ?
                    """, arguments: [wait, reason, until, key.run, key.position])
            try sayOf(key, app, .jobWaiting) { "\($0) waits: \(reason)" }
        case .queue(let key):
            try execute(
                cached: """
                    UPDATE job SET status = 'queued', waits = NULL, reason = NULL, wakes_at = NULL
                    WHERE run = ? AND position = ?
                    """, arguments: [key.run, key.position])
            if case .promoted(key, _, _) = happening { return }
            try sayOf(key, app, .jobQueued) { "\($0) queued" }
        case .supersede(let key, let run):
            if let id = try id(key) { try supersede(id, by: run) }
        case .retry(let key, let count, let most):
            guard let id = try id(key) else { return }
            try execute(
                cached: """
                    UPDATE job SET status = 'queued', waits = NULL, worker = NULL, attempt = 0, retries = ?,
                    ended_at = NULL, duration = NULL WHERE id = ?
                    """, arguments: [count, id])
            try execute(
                cached: "UPDATE deployment SET status = 'queued', ended_at = NULL, duration = NULL WHERE job = ?",
                arguments: [id])
            try sayOf(key, app, .jobQueued) { "\($0) is tried again by itself, \(count) of \(most)" }
        case .markBad(let environment, let revision):
            try markBad(revision, app, environment, by: try asker(happening), reason: try why(happening))
        case .unmarkBad(let environment, let revision):
            try execute(
                cached: "DELETE FROM bad_revision WHERE app = ? AND environment = ? AND revision = ?",
                arguments: [app, environment, revision.hex])
        case .hold(let environment, let revision):
            let hold = Hold(
                kind: .rollback, reason: "rolled back to \(revision.abbreviated())", by: try asker(happening),
                since: .now, until: nil)
            try place(hold, app, environment)
        case .liftRollbackHold(let environment):
            try liftHold(app, environment, kind: .rollback, by: try asker(happening))
        case .void(let approval, let by, let key, let why):
            try execute(cached: "UPDATE approval SET void = ? WHERE id = ?", arguments: [why, approval])
            try sayOf(key, app, .approvalVoid) { "\($0): the approval of \(by) is void: \(why)" }
        case .use(let approvals, let key):
            guard let id = try id(key) else { return }
            for approval in approvals {
                try execute(
                    cached: "UPDATE approval SET used_by = (SELECT id FROM deployment WHERE job = ?) WHERE id = ?",
                    arguments: [id, approval])
            }
        }
    }

    private func sayOf(
        _ key: Steering.Step.Key, _ app: String, _ kind: Event.Kind, _ text: (String) -> String
    ) throws {
        let row = try Row.fetchOne(
            self, cached: "SELECT id, name FROM job WHERE run = ? AND position = ?",
            arguments: [key.run, key.position])
        guard let row else { return }
        try say(kind, app: app, run: key.run, job: row["id"], text(row["name"]))
    }

    /// Who asked for the deployment that ended.
    private func asker(_ happening: Happening) throws -> String {
        guard case .deployed(let key, _, _) = happening else { return "" }
        let by = try String.fetchOne(
            self,
            cached:
                "SELECT by FROM deployment JOIN (SELECT id AS key FROM job WHERE run = ? AND position = ?) ON job = key",
            arguments: [key.run, key.position])
        return by ?? ""
    }
}

extension Database {
    /// The reason of the run that ended.
    private func why(_ happening: Happening) throws -> String? {
        guard case .deployed(let key, _, _) = happening else { return nil }
        return try String.fetchOne(self, cached: "SELECT reason FROM run WHERE id = ?", arguments: [key.run])
    }
}

extension Steering.Step {
    fileprivate static let selection = """
        SELECT job.*, run.kind AS run_kind, run.revision AS run_revision, run.by AS run_by, run.entry AS run_entry,
        run.goal AS run_goal, nullif(artifact.manifest, '') AS content, deployment.status AS deployment_status
        FROM job JOIN run ON run.id = job.run LEFT JOIN artifact ON artifact.id = job.artifact
        LEFT JOIN deployment ON deployment.job = job.id
        """
}
