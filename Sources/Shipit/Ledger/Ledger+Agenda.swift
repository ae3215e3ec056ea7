import GRDB

/// A job that is queued or running, with what decides its turn.
public struct OpenJob: Hashable, Sendable {
    public let job: Job
    public let runKind: Run.Kind
    /// Goes before others of its kind.
    public var isNext = false

    public init(job: Job, runKind: Run.Kind, isNext: Bool = false) {
        self.job = job
        self.runKind = runKind
        self.isNext = isNext
    }
}

/// What a worker looks at in each round.
struct Agenda: Hashable, Sendable {
    let open: [OpenJob]
    /// Running jobs that somebody wants to end.
    let cancelled: [Int64]
    let holdEnds: [Timestamp]
    /// When waiting jobs are to be looked at again.
    let wakes: [Timestamp]

    /// The next time that something is due.
    func nextTime(after now: Timestamp) -> Timestamp? { (holdEnds + wakes).filter { $0 > now }.min() }

    func hasHoldThatIsOver(at now: Timestamp) -> Bool { holdEnds.contains { $0 <= now } }

    func hasWake(at now: Timestamp) -> Bool { wakes.contains { $0 <= now } }
}

extension Ledger {
    /// All of one moment, in one transaction.
    func agenda() throws -> Agenda {
        try read { db in
            Agenda(
                open: try db.openJobs(), cancelled: Array(try db.cancelRequests().keys), holdEnds: try db.holdEnds(),
                wakes: try db.wakes())
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
                SELECT run.kind AS run_kind, run.is_next AS run_is_next, job.* FROM job JOIN run ON run.id = job.run
                WHERE \(Job.isOpen) AND job.status <> 'waiting' ORDER BY job.run
                """
        ).map { OpenJob(job: try Job(row: $0), runKind: $0["run_kind"], isNext: $0["run_is_next"]) }
    }

    fileprivate func wakes() throws -> [Timestamp] {
        try Timestamp.fetchAll(
            self,
            cached: "SELECT wakes_at FROM job WHERE \(Job.isOpen) AND status = 'waiting' AND wakes_at IS NOT NULL")
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
