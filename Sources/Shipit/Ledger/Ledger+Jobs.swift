import ArtifactKit
import GRDB
import GitKit

/// How a job ended, as a value.
public struct Ending: Hashable, Sendable {
    public var status: Status
    public var reason: String?
    /// From the monotonic clock, in seconds.
    public var duration: Double

    public init(_ status: Status, _ reason: String? = nil, duration: Duration) {
        self.status = status
        self.reason = reason
        self.duration = duration.inSeconds
    }
}

extension Ledger {
    // MARK: Taking jobs

    /// Whether a worker is needed: for a job, or for a time that one waits for.
    public func hasWork() throws -> Bool {
        try read { db in
            try Bool.fetchOne(
                db,
                cached: """
                    SELECT EXISTS (SELECT 1 FROM job
                    WHERE \(Job.isOpen) AND (job.status <> 'waiting' OR job.wakes_at IS NOT NULL))
                    OR EXISTS (SELECT 1 FROM reference_intent WHERE next_at <= ?1)
                    OR EXISTS (SELECT 1 FROM fetch WHERE requests > answered)
                    """, arguments: [Timestamp.now]) ?? false
        }
    }

    /// Takes a queued job; nil when it is not queued any more. A deployment gets its row, number and token here.
    ///
    /// On the disk before anybody can see an effect, and before an attempt that takes the machine down counts for nothing.
    public func take(_ job: Job, worker: Int64) throws -> (job: Job, deployment: Deployment?)? {
        try write { db in
            // Time may have closed what was open when it was queued.
            try steer(db, job.app, .looked)
            guard
                let now = try Job.fetchOne(
                    db, cached: "SELECT * FROM job WHERE id = ? AND status = 'queued'", arguments: [job.id])
            else { return nil }
            var deployment: Deployment?
            try steer(db, job.app, .begun(Steering.Step.Key(run: now.run, position: now.position))) {
                try bringUpToDate(db, now)
                deployment = try db.begin(now, worker)
            }
            guard let taken = try Job.fetchOne(db, cached: "SELECT * FROM job WHERE id = ?", arguments: [job.id]) else {
                return nil
            }
            return (taken, deployment)
        }
    }
    /// Jobs that a worker which is gone left running.
    public func abandonedJobs(notOf worker: Int64) throws -> [Job] {
        try read {
            try Job.fetchAll(
                $0,
                cached: "SELECT * FROM job WHERE \(Job.isOpen) AND status = 'running' AND worker <> ? ORDER BY id",
                arguments: [worker])
        }
    }

    /// The worker died: the job is queued again, or errored after the third time.
    public func takeUpAgain(_ job: Job, because reason: String, limit: Int = 3) throws {
        try write { db in
            if let by = job.cancelledBy {
                try end(db, job, Ending(.cancelled, "cancelled by \(by)", duration: .zero))
            } else if job.attempt >= limit {
                try end(db, job, Ending(.errored, "\(reason) \(job.attempt) times", duration: .zero))
            } else {
                try db.execute(
                    cached: "UPDATE job SET status = 'queued', worker = NULL, reason = ? WHERE id = ?",
                    arguments: [reason, job.id])
                try db.execute(
                    cached: "UPDATE deployment SET status = 'queued', reason = ? WHERE job = ?",
                    arguments: [reason, job.id])
                try db.say(
                    .jobInterrupted, app: job.app, run: job.run, job: job.id, "\(job.name): \(reason); taken up again")
                try steer(db, job.app, .looked)
            }
        }
    }

    // MARK: Ending jobs

    /// The build ended well: the artifact, the next job and the events.
    ///
    /// Synced with what follows: a power cut before that means that the build is done again.
    func finishBuild(_ job: Job, artifact: Int64, duration: Duration, policy: Policy) throws {
        try write(.withTheNext) { db in
            try db.execute(cached: "UPDATE job SET artifact = ? WHERE id = ?", arguments: [artifact, job.id])
            if let by = try db.cancelled(job) {
                // It came to its end before it could be stopped; what was asked for is that the run goes no further.
                try end(db, job, Ending(.cancelled, "cancelled by \(by)", duration: duration))
                return
            }
            guard try db.canEnd(job, as: .succeeded) else { return }
            let entry = try String.fetchOne(db, cached: "SELECT entry FROM run WHERE id = ?", arguments: [job.run])
            // As those see it who decide what follows: or else nothing would, and the run would count as a success.
            guard try (db.today(job.app, policies) ?? policy).pipeline.first(for: entry) != nil else {
                let reason = "the policy has no environment \(entry ?? "") any more"
                try end(db, job, Ending(.errored, reason, duration: duration))
                return
            }
            let content =
                try String.fetchOne(db, cached: "SELECT manifest FROM artifact WHERE id = ?", arguments: [artifact])
                ?? ""
            let key = Steering.Step.Key(run: job.run, position: job.position)
            try steer(db, job.app, .built(key, artifact: artifact, content: content), orUnder: policy) {
                let words = "build succeeded after \(duration.spoken)"
                try db.end(job, Ending(.succeeded, duration: duration), saying: words)
            }
        }
    }

    /// A job ended in any way but a build's success or a deployment's.
    public func end(_ job: Job, as ending: Ending) throws {
        _ = try write { try end($0, job, ending) }
    }

    /// Ends a job once, and lets the rules say what follows; false when it had ended.
    @discardableResult
    func end(_ db: Database, _ job: Job, _ ending: Ending) throws -> Bool {
        guard try db.canEnd(job, as: ending.status) else { return false }
        let key = Steering.Step.Key(run: job.run, position: job.position)
        // What somebody wants to end is not tried again by itself, in whatever way it ends.
        let isUnwanted = try db.cancelled(job) != nil
        try steer(db, job.app, .ended(key, isUnwanted ? .cancelled : ending.status)) { try db.end(job, ending) }
        return true
    }

    // MARK: What people do to jobs

    /// Cancels what has not begun, and asks the worker to stop what runs. Gives the jobs that still run.
    public func cancel(run: Int64, by: String, reason: String) throws -> [Job] {
        try write { db in
            var running: [Job] = []
            for job in try db.jobs(of: run) where !job.status.isFinal {
                if job.status == .running {
                    try db.execute(
                        cached: "UPDATE job SET cancelled_by = coalesce(cancelled_by, ?) WHERE id = ?",
                        arguments: [by, job.id])
                    try db.say(
                        .cancelRequested, app: job.app, run: run, job: job.id, "\(job.name): \(by) asked to cancel")
                    running.append(job)
                } else {
                    try end(db, job, Ending(.cancelled, reason, duration: .zero))
                }
            }
            return running
        }
    }

    /// Says no to what waits for a person; what began meanwhile is not stopped by it.
    public func reject(_ job: Job, by: String, reason: String?) throws {
        try write { db in
            guard
                try Status.fetchOne(db, cached: "SELECT status FROM job WHERE id = ?", arguments: [job.id]) == .waiting
            else {
                throw ShipitError(
                    .busy, "run \(job.run) does not wait any more", hint: "shipit cancel \(job.run) stops it")
            }
            let why = reason.map { ": \($0)" } ?? ""
            try end(db, job, Ending(.cancelled, "rejected by \(by)\(why)", duration: .zero))
        }
    }

    /// Runs the failed job again, under today's policy, without repeating what succeeded.
    public func retry(_ job: Job, by: String, policy: Policy, isNext: Bool = false) throws {
        try write { db in
            guard job.status.permits(.queued), job.status.isFinal else {
                throw ShipitError(
                    .unavailable, "\(job.name) of run \(job.run) \(job.status.rawValue): there is nothing to retry")
            }
            try db.adopt(policy)
            guard var step = try db.step(of: job.id), step.status == job.status else {
                throw ShipitError(.busy, "run \(job.run) moved on meanwhile")
            }
            step.isInterrupted = false
            try steer(db, job.app, .retried(step, by: by), orUnder: policy) {
                try db.execute(
                    cached: """
                        UPDATE job SET status = 'queued', waits = NULL, reason = NULL, attempt = 0, cancelled_by = NULL,
                        by = coalesce(by, ?), policy = ?, ended_at = NULL, duration = NULL WHERE id = ?
                        """, arguments: [job.kind == .build ? by : nil, policy.digest, job.id])
                if isNext { try db.execute(cached: "UPDATE run SET is_next = 1 WHERE id = ?", arguments: [job.run]) }
                try db.say(.jobQueued, app: job.app, run: job.run, job: job.id, "\(job.name) retried by \(by)")
            }
        }
    }
}

extension Database {
    /// Ends a job once: what has ended stays as it ended, whatever is said later. False when it had ended.
    @discardableResult
    func end(_ job: Job, _ ending: Ending, saying words: String? = nil) throws -> Bool {
        let status = try Status.fetchOne(self, cached: "SELECT status FROM job WHERE id = ?", arguments: [job.id])
        guard let status, status.permits(ending.status) else { return false }
        try execute(
            cached: """
                UPDATE job SET status = ?, waits = NULL, wakes_at = NULL, reason = ?, worker = NULL, ended_at = ?, duration = ?
                WHERE id = ?
                """,
            arguments: [ending.status, ending.reason, Timestamp.now, ending.duration, job.id])
        try execute(
            cached: "UPDATE deployment SET status = ?, reason = ?, ended_at = ?, duration = ? WHERE job = ?",
            arguments: [ending.status, ending.reason, Timestamp.now, ending.duration, job.id])
        try voidApprovals(of: job, because: ending.reason ?? "run \(job.run) \(ending.status.rawValue)")
        let kind: Event.Kind =
            switch ending.status {
            case .succeeded: .jobSucceeded
            case .failed: .jobFailed
            case .cancelled: .jobCancelled
            case .superseded: .jobSuperseded
            default: .jobErrored
            }
        let text = ending.reason.map { ": \($0)" } ?? ""
        try say(
            kind, app: job.app, run: job.run, job: job.id, words ?? "\(job.name) \(ending.status.rawValue)\(text)")
        return true
    }

    /// An approval that let nothing through does not come back to life with its run.
    func voidApprovals(of job: Job, because reason: String) throws {
        guard job.kind == .deploy else { return }
        try execute(
            cached: "UPDATE approval SET void = ? WHERE job = ? AND void IS NULL AND used_by IS NULL",
            arguments: [reason, job.id])
    }

    /// Who asked to cancel it.
    func cancelled(_ job: Job) throws -> String? {
        try String.fetchOne(self, cached: "SELECT cancelled_by FROM job WHERE id = ?", arguments: [job.id])
    }

    /// Whether that ending changes anything.
    func canEnd(_ job: Job, as ending: Status) throws -> Bool {
        let status = try Status.fetchOne(self, cached: "SELECT status FROM job WHERE id = ?", arguments: [job.id])
        return status?.permits(ending) ?? false
    }

    /// A worker begins with a queued job; a deployment gets its row, number and token here.
    fileprivate func begin(_ job: Job, _ worker: Int64) throws -> Deployment? {
        try execute(
            cached: """
                UPDATE job SET status = 'running', worker = ?, attempt = attempt + 1, reason = NULL, started_at = ?,
                ended_at = NULL, duration = NULL WHERE id = ?
                """,
            arguments: [worker, Timestamp.now, job.id])
        // It is about to write its log, of whatever length.
        try execute(cached: "UPDATE run SET log_bytes = 0 WHERE id = ?", arguments: [job.run])
        try say(.jobStarted, app: job.app, run: job.run, job: job.id, "\(job.name) started")
        return job.kind == .deploy ? try beginDeployment(job) : nil
    }
}

extension Ledger {
    /// The worker stops in order: the job waits for the next one, and the attempt does not count.
    func putBackInLine(_ job: Job, because reason: String) throws {
        try write { db in
            try db.execute(
                cached:
                    "UPDATE job SET status = 'queued', worker = NULL, attempt = attempt - 1, reason = ? WHERE id = ?",
                arguments: [reason, job.id])
            try db.say(.jobInterrupted, app: job.app, run: job.run, job: job.id, "\(job.name): \(reason)")
            try steer(db, job.app, .looked)
        }
    }
}

extension Job {
    /// What SQLite has to read word by word to use the index of open jobs.
    static let isOpen = "job.status IN ('queued', 'running', 'waiting')"
}
