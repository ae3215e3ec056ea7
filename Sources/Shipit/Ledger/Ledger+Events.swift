import GRDB

extension Ledger {
    /// Events of these runs with a greater id than `cursor`, oldest first.
    public func events(after cursor: Int64, runs: [Int64], limit: Int = 1000) throws -> [Event] {
        try read { db in
            let events = try Set(runs).flatMap { run in
                try Event.fetchAll(
                    db, cached: "SELECT * FROM event WHERE run = ? AND id > ? ORDER BY id LIMIT ?",
                    arguments: [run, cursor, limit])
            }
            return Array(events.sorted { $0.id < $1.id }.prefix(limit))
        }
    }

    /// Events with a greater id than `cursor`, oldest first; another process's commits are seen too.
    public func events(after cursor: Int64, run: Int64? = nil, limit: Int = 1000) throws -> [Event] {
        try read { db in
            if let run {
                return try Event.fetchAll(
                    db, cached: "SELECT * FROM event WHERE run = ? AND id > ? ORDER BY id LIMIT ?",
                    arguments: [run, cursor, limit])
            }
            return try Event.fetchAll(
                db, cached: "SELECT * FROM event WHERE id > ? ORDER BY id LIMIT ?", arguments: [cursor, limit])
        }
    }

    public func lastEvent() throws -> Int64 {
        try read { try Int64.fetchOne($0, cached: "SELECT max(id) FROM event") ?? 0 }
    }

    /// Says something about a running job that changes no state: a phase began, a target was switched.
    public func progress(_ job: Job, _ text: String) throws {
        try write(.withTheNext) { try $0.say(.jobProgress, app: job.app, run: job.run, job: job.id, text) }
    }
}

extension Database {
    /// `environment`: of what belongs to no job.
    func say(
        _ kind: Event.Kind, app: String? = nil, run: Int64? = nil, job: Int64? = nil, environment: String? = nil,
        _ text: String
    ) throws {
        try execute(
            cached: "INSERT INTO event (at, kind, app, run, job, environment, text) VALUES (?, ?, ?, ?, ?, ?, ?)",
            arguments: [Timestamp.now, kind, app, run, job, environment, visibleLine(text)])
    }
}

extension Ledger {
    func note(_ kind: Event.Kind, _ job: Job, _ text: String) throws {
        try write { try $0.say(kind, app: job.app, run: job.run, job: job.id, text) }
    }
}
