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

    /// Whether a worker is needed: for a job, or for the end of a hold that a deployment waits for.
    public func hasWork() throws -> Bool {
        try read { db in
            try Bool.fetchOne(
                db,
                cached: """
                    SELECT EXISTS (SELECT 1 FROM job WHERE \(Job.isOpen) AND job.status <> 'waiting') OR EXISTS (
                        SELECT 1 FROM job JOIN environment ON environment.app = job.app AND environment.name = job.name
                        WHERE \(Job.isOpen) AND job.waits = 'hold' AND environment.hold_until IS NOT NULL)
                    """) ?? false
        }
    }

    /// Takes a queued job; nil when it is not queued any more. A deployment gets its row, number and token here.
    ///
    /// On the disk before anybody can see an effect, and before an attempt that takes the machine down counts for nothing.
    public func take(_ job: Job, worker: Int64) throws -> (job: Job, deployment: Deployment?)? {
        try write { db in
            guard
                let now = try Job.fetchOne(
                    db, cached: "SELECT * FROM job WHERE id = ? AND status = 'queued'", arguments: [job.id])
            else { return nil }
            if now.kind == .deploy, let hold = try db.hold(now.app, now.name), hold.kind == .hold,
                !hold.isOver(at: .now)
            {
                try db.wait(now, for: .hold, "\(now.name) is held by \(hold.by): \(hold.reason)")
                return nil
            }
            try db.execute(
                cached: """
                    UPDATE job SET status = 'running', worker = ?, attempt = attempt + 1, reason = NULL, started_at = ?,
                    ended_at = NULL, duration = NULL WHERE id = ?
                    """,
                arguments: [worker, Timestamp.now, job.id])
            // It is about to write its log, of whatever length.
            try db.execute(cached: "UPDATE run SET log_bytes = 0 WHERE id = ?", arguments: [job.run])
            try db.say(.jobStarted, app: job.app, run: job.run, job: job.id, "\(job.name) started")
            let deployment = now.kind == .deploy ? try db.beginDeployment(now) : nil
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
                try db.end(job, Ending(.cancelled, "cancelled by \(by)", duration: .zero))
            } else if job.attempt >= limit {
                try db.end(job, Ending(.errored, "\(reason) \(job.attempt) times", duration: .zero))
            } else {
                try db.execute(
                    cached: "UPDATE job SET status = 'queued', worker = NULL, reason = ? WHERE id = ?",
                    arguments: [reason, job.id])
                try db.execute(
                    cached: "UPDATE deployment SET status = 'queued', reason = ? WHERE job = ?",
                    arguments: [reason, job.id])
                try db.say(
                    .jobInterrupted, app: job.app, run: job.run, job: job.id, "\(job.name): \(reason); taken up again")
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
            let by = try String.fetchOne(db, cached: "SELECT cancelled_by FROM job WHERE id = ?", arguments: [job.id])
            if let by {
                // It came to its end before it could be stopped; what was asked for is that the run goes no further.
                try db.end(job, Ending(.cancelled, "cancelled by \(by)", duration: duration))
                return
            }
            let words = "build succeeded after \(duration.spoken)"
            guard try db.end(job, Ending(.succeeded, duration: duration), saying: words) else { return }
            if let first = policy.pipeline.environments.first {
                try db.goOn(job.run, app: job.app, to: first, position: 1, artifact: artifact, policy, isFirst: true)
            }
        }
    }

    /// A job ended in any way but a build's success or a deployment's.
    public func end(_ job: Job, as ending: Ending) throws {
        _ = try write { try $0.end(job, ending) }
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
                    try db.end(job, Ending(.cancelled, reason, duration: .zero))
                }
            }
            return running
        }
    }

    /// Runs the failed job again, under today's policy, without repeating what succeeded.
    public func retry(_ job: Job, by: String, policy: Policy) throws {
        try write { db in
            guard job.status.permits(.queued), job.status.isFinal else {
                throw ShipitError(
                    .unavailable, "\(job.name) of run \(job.run) \(job.status.rawValue): there is nothing to retry")
            }
            try db.keep(policy)
            try db.execute(
                cached: """
                    UPDATE job SET status = 'queued', waits = NULL, reason = NULL, attempt = 0, cancelled_by = NULL,
                    policy = ?, ended_at = NULL, duration = NULL WHERE id = ? AND status = ?
                    """, arguments: [policy.digest, job.id, job.status])
            guard db.changesCount == 1 else { throw ShipitError(.busy, "run \(job.run) moved on meanwhile") }
            try db.say(.jobQueued, app: job.app, run: job.run, job: job.id, "\(job.name) retried by \(by)")
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
                UPDATE job SET status = ?, waits = NULL, reason = ?, worker = NULL, ended_at = ?, duration = ?
                WHERE id = ?
                """,
            arguments: [ending.status, ending.reason, Timestamp.now, ending.duration, job.id])
        try execute(
            cached: "UPDATE deployment SET status = ?, reason = ?, ended_at = ?, duration = ? WHERE job = ?",
            arguments: [ending.status, ending.reason, Timestamp.now, ending.duration, job.id])
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

    func wait(_ job: Job, for wait: Job.Wait, _ reason: String) throws {
        try execute(
            cached: "UPDATE job SET status = 'waiting', waits = ?, reason = ? WHERE id = ?",
            arguments: [wait, reason, job.id])
        try say(.jobWaiting, app: job.app, run: job.run, job: job.id, "\(job.name) waits: \(reason)")
    }

    /// Makes the job of the next environment: queued, or waiting for a person.
    func goOn(
        _ run: Int64, app: String, to environment: EnvironmentPolicy, position: Int, artifact: Int64, _ policy: Policy,
        isFirst: Bool
    ) throws {
        let isPush = try String.fetchOne(self, cached: "SELECT kind FROM run WHERE id = ?", arguments: [run]) == "push"
        let revision =
            try String.fetchOne(self, cached: "SELECT revision FROM run WHERE id = ?", arguments: [run]) ?? ""
        let isBad =
            try Int.fetchOne(
                self, cached: "SELECT 1 FROM bad_revision WHERE app = ? AND environment = ? AND revision = ?",
                arguments: [app, environment.name, revision]) != nil
        let rolledBack = try hold(app, environment.name).map { $0.kind == .rollback && !$0.isOver(at: .now) } ?? false
        var reason: String?
        if isBad, !(isFirst && !isPush) {
            reason = "marked bad in \(environment.name); shipit promote \(revision.prefix(7)) --to \(environment.name)"
        } else if !isFirst, environment.promotion == .manual {
            reason = "for promotion; shipit promote"
        } else if !isFirst, rolledBack {
            reason = "\(environment.name) was rolled back; shipit promote, or shipit unhold \(environment.name)"
        }
        let pipeline = policy.pipeline
        if let reason {
            if pipeline.mode == .superseded {
                try supersede(
                    "job.app = ? AND job.name = ? AND job.run < ? AND job.status = 'waiting' AND job.waits = 'promotion'",
                    [app, environment.name, run], by: run)
            }
            try insertJob(
                run: run, app: app, position: position, name: environment.name, kind: .deploy, policy: policy,
                artifact: artifact, waits: .promotion, reason: reason)
        } else {
            if pipeline.mode == .superseded, isPush {
                try supersede(
                    """
                    job.app = ? AND job.name = ? AND job.run < ? AND job.status = 'queued' AND job.by IS NULL
                    AND run.kind = 'push'
                    """, [app, environment.name, run], by: run)
            }
            try insertJob(
                run: run, app: app, position: position, name: environment.name, kind: .deploy, policy: policy,
                artifact: artifact)
        }
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
        }
    }
}

extension Job {
    /// What SQLite has to read word by word to use the index of open jobs.
    static let isOpen = "job.status IN ('queued', 'running', 'waiting')"
}
