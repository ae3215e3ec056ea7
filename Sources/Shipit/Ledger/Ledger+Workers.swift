import GRDB

/// Who works, or worked last: a process named by its number, its start and the machine's boot.
public struct WorkerRecord: Hashable, Sendable {
    public let id: Int64
    public let pid: Int32
    public let startTicks: Int64
    public let boot: String
    /// CLOCK_BOOTTIME in milliseconds when it last said that it lives.
    public let beat: Int64
    public let startedAt: Timestamp
}

extension Ledger {
    /// Announces a worker; the caller holds the worker lock, so every other one is gone. No worker outlives a power cut,
    /// and what it takes is synced after this.
    public func registerWorker(pid: Int32, startTicks: Int64, boot: String, beat: Int64) throws -> Int64 {
        try write(.withTheNext) { db in
            let values: StatementArguments = [pid, startTicks, boot, beat, Timestamp.now]
            try db.execute(
                cached: "INSERT INTO worker (pid, start_ticks, boot, beat, started_at) VALUES (?, ?, ?, ?, ?)",
                arguments: values)
            let id = db.lastInsertedRowID
            try db.execute(
                cached:
                    "DELETE FROM worker WHERE id < ? AND id NOT IN (SELECT worker FROM job WHERE \(Job.isOpen) AND status = 'running')",
                arguments: [id])
            return id
        }
    }

    public func beat(worker: Int64, at beat: Int64) throws {
        try write(.withTheNext) {
            try $0.execute(cached: "UPDATE worker SET beat = ? WHERE id = ?", arguments: [beat, worker])
        }
    }

    /// It ended in order; the row of one that died stays.
    public func removeWorker(_ id: Int64) throws {
        try write { try $0.execute(cached: "DELETE FROM worker WHERE id = ?", arguments: [id]) }
    }

    public func lastWorker() throws -> WorkerRecord? {
        try read { try WorkerRecord.fetchOne($0, cached: "SELECT * FROM worker ORDER BY id DESC LIMIT 1") }
    }
}
