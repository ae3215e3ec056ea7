import GRDB
import GitKit

/// What figures are made of; each question reads an index and no more than it is asked for.
extension Ledger {
    func createdAt(app: String) throws -> Timestamp? {
        try read { try Timestamp.fetchOne($0, cached: "SELECT created_at FROM app WHERE name = ?", arguments: [app]) }
    }

    /// Deployments that began since, oldest first; the newest ones when there are more.
    func statisticsRows(
        app: String, environment: String, since: Timestamp, limit: Int
    ) throws -> [Statistics.Row] {
        try read { db in
            let first = try db.firstDeployment(since: since)
            let cursor = try Row.fetchCursor(
                db.cachedStatement(
                    sql: """
                        SELECT id, kind, status, revision, previous, coalesce(ended_at, created_at), emergency
                        FROM deployment WHERE app = ? AND environment = ? AND id >= ? ORDER BY id DESC LIMIT ?
                        """), arguments: [app, environment, first, limit])
            var rows: [Statistics.Row] = []
            while let row = try cursor.next() {
                // A row that no shipit writes is fsck's to tell of.
                guard let revision = ObjectID(row[3] as String) else { continue }
                rows.append(
                    Statistics.Row(
                        id: row[0], kind: row[1], status: row[2], revision: revision, previous: row[4],
                        endedAt: row[5], isEmergency: row[6]))
            }
            return rows.reversed()
        }
    }

    /// Of these deployments those that brought a revision there for the first time, with when its first run was made.
    func firstTimes(
        app: String, environment: String, _ rows: some Sequence<Statistics.Row>
    ) throws -> [(row: Statistics.Row, firstRun: Timestamp)] {
        try read { db in
            try rows.compactMap { row in
                let before = try Int.fetchOne(
                    db,
                    cached: """
                        SELECT 1 FROM deployment WHERE app = ? AND environment = ? AND revision = ? AND id < ?
                        AND status = 'succeeded' LIMIT 1
                        """, arguments: [app, environment, row.revision.hex, row.id])
                guard before == nil else { return nil }
                let run = try Timestamp.fetchOne(
                    db, cached: "SELECT created_at FROM run WHERE app = ? AND revision = ? ORDER BY id LIMIT 1",
                    arguments: [app, row.revision.hex])
                return (row, run ?? row.endedAt)
            }
        }
    }
}

extension Database {
    /// The id of the first deployment that began at that time or later, by halves: ids grow with time.
    fileprivate func firstDeployment(since: Timestamp) throws -> Int64 {
        var low: Int64 = 1
        var high = try (Int64.fetchOne(self, cached: "SELECT max(id) FROM deployment") ?? 0) + 1
        while low < high {
            let middle = low + (high - low) / 2
            let at = try Timestamp.fetchOne(
                self, cached: "SELECT created_at FROM deployment WHERE id >= ? ORDER BY id LIMIT 1",
                arguments: [middle])
            if let at, at < since { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
