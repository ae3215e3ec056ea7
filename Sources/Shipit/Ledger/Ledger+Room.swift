import GRDB

/// The room that the ledger takes itself.
extension Ledger {
    /// Of the file and of its write-ahead log, on the disk.
    var bytes: Int64 { DiskUsage.of(path) + DiskUsage.of("\(path)-wal") }

    /// Pages that rows left behind.
    func emptyBytes() throws -> Int64 {
        try read { db in
            let pages = try Int64.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            return try pages * (Int64.fetchOne(db, sql: "PRAGMA page_size") ?? 0)
        }
    }

    /// Writes what is left into as few pages as it needs; everybody else waits meanwhile.
    func vacuum() throws {
        do {
            try database.vacuum()
        } catch let error as DatabaseError {
            throw Ledger.explained(error, path)
        }
    }

    /// Brings the write-ahead log home and makes it empty.
    func truncateLog() {
        // While somebody reads, it stays as long as it is; SQLite writes it anew from its beginning all the same.
        try? database.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
    }
}
