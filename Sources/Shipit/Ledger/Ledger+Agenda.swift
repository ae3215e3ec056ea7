import GRDB

/// A job that is queued or running, with what decides its turn.
public struct OpenJob: Hashable, Sendable {
    public let job: Job
    public let runKind: Run.Kind
}

/// What a worker looks at in each round.
struct Agenda: Hashable, Sendable {
    let open: [OpenJob]
    /// Running jobs that somebody wants to end.
    let cancelled: [Int64]
    let holdEnds: [Timestamp]

    /// When the next hold ends that has not ended yet.
    func nextHold(after now: Timestamp) -> Timestamp? { holdEnds.filter { $0 > now }.min() }

    func hasHoldThatIsOver(at now: Timestamp) -> Bool { holdEnds.contains { $0 <= now } }
}

extension Ledger {
    /// All of one moment, in one transaction.
    func agenda() throws -> Agenda {
        try read { db in
            Agenda(
                open: try db.openJobs(), cancelled: Array(try db.cancelRequests().keys), holdEnds: try db.holdEnds())
        }
    }

    /// Queued and running jobs, for the scheduler to choose from.
    public func openJobs() throws -> [OpenJob] { try read { try $0.openJobs() } }

    public func cancelRequests() throws -> [Int64: String] { try read { try $0.cancelRequests() } }
}

extension Database {
    fileprivate func openJobs() throws -> [OpenJob] {
        try Row.fetchAll(
            self,
            cached: """
                SELECT run.kind AS run_kind, job.* FROM job JOIN run ON run.id = job.run
                WHERE \(Job.isOpen) AND job.status <> 'waiting' ORDER BY job.run
                """
        ).map { OpenJob(job: try Job(row: $0), runKind: $0["run_kind"]) }
    }

    fileprivate func cancelRequests() throws -> [Int64: String] {
        let rows = try Row.fetchAll(
            self,
            cached: """
                SELECT id, cancelled_by FROM job
                WHERE \(Job.isOpen) AND status = 'running' AND cancelled_by IS NOT NULL
                """)
        return Dictionary(uniqueKeysWithValues: rows.map { ($0["id"], $0["cancelled_by"]) })
    }
}
