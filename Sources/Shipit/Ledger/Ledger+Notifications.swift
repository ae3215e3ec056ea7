public import GRDB

/// How far one destination of notifications has been told, and since when it does not answer.
public struct DestinationState: Hashable, Sendable {
    public let app: String
    /// The digest of what the policy says of it.
    public let destination: String
    public let name: String
    /// The last event that it was told, or that is none of its business.
    public let cursor: Int64
    public let failures: Int
    public let failingSince: Timestamp?
    public let reason: String?
    public let nextTry: Timestamp?
    public let deliveredAt: Timestamp?
}

extension DestinationState: FetchableRecord {
    public init(row: Row) throws {
        app = row["app"]
        destination = row["destination"]
        name = row["name"]
        cursor = row["cursor"]
        failures = row["failures"]
        failingSince = row["failing_since"]
        reason = row["reason"]
        nextTry = row["next_try"]
        deliveredAt = row["delivered_at"]
    }
}

extension Ledger {
    public func destinations(app: String? = nil) throws -> [DestinationState] {
        try read {
            try DestinationState.fetchAll(
                $0, cached: "SELECT * FROM notification WHERE ?1 IS NULL OR app = ?1 ORDER BY app, name, destination",
                arguments: [app])
        }
    }

    /// A destination that is new is told what happens after `cursor`; nothing is done for an app that is not there.
    func beginTelling(_ destination: Destination, of app: String, after cursor: Int64) throws {
        try write(.withTheNext) {
            try $0.execute(
                cached: """
                    INSERT OR IGNORE INTO notification (app, destination, name, cursor)
                    SELECT name, ?2, ?3, ?4 FROM app WHERE name = ?1
                    """, arguments: [app, destination.digest, visibleLine(destination.name), cursor])
        }
    }

    func stopTelling(_ state: DestinationState) throws {
        try write(.withTheNext) {
            try $0.execute(
                cached: "DELETE FROM notification WHERE app = ? AND destination = ?",
                arguments: [state.app, state.destination])
        }
    }

    /// `isTold` false: what came since is none of its business. What a power cut takes of this is told again.
    func tell(_ app: String, _ destination: String, upTo cursor: Int64, isTold: Bool) throws {
        try write(.withTheNext) { db in
            if isTold {
                try db.execute(
                    cached: """
                        UPDATE notification SET cursor = ?, failures = 0, failing_since = NULL, reason = NULL,
                        next_try = NULL, delivered_at = ? WHERE app = ? AND destination = ?
                        """, arguments: [cursor, Timestamp.now, app, destination])
            } else {
                try db.execute(
                    cached: "UPDATE notification SET cursor = ? WHERE app = ? AND destination = ?",
                    arguments: [cursor, app, destination])
            }
        }
    }

    func tellingFailed(_ state: DestinationState, _ reason: String, nextTry: Timestamp) throws {
        try write(.withTheNext) {
            try $0.execute(
                cached: """
                    UPDATE notification SET failures = failures + 1, failing_since = coalesce(failing_since, ?),
                    reason = ?, next_try = ? WHERE app = ? AND destination = ?
                    """,
                arguments: [Timestamp.now, visibleLine(reason), nextTry, state.app, state.destination])
        }
    }

    /// What happened before is not told any more; says so.
    func giveUpTelling(_ state: DestinationState, upTo cursor: Int64, _ text: String) throws {
        try write { db in
            try db.execute(
                cached: "UPDATE notification SET cursor = ? WHERE app = ? AND destination = ? AND cursor < ?",
                arguments: [cursor, state.app, state.destination, cursor])
            if db.changesCount == 1 { try db.say(.notifyGivenUp, app: state.app, text) }
        }
    }

    /// The newest event that is not younger; from the new end, where those who ask are.
    func lastEvent(notAfter time: Timestamp) throws -> Int64 {
        try read {
            try Int64.fetchOne(
                $0, cached: "SELECT id FROM event WHERE at <= ? ORDER BY id DESC LIMIT 1", arguments: [time]) ?? 0
        }
    }

    func job(_ id: Int64) throws -> Job? {
        try read { try Job.fetchOne($0, cached: "SELECT * FROM job WHERE id = ?", arguments: [id]) }
    }

    func goesWithoutSecrets(_ job: Job) throws -> Bool {
        try read {
            try Bool.fetchOne($0, cached: "SELECT without_secrets FROM job WHERE id = ?", arguments: [job.id]) ?? false
        }
    }
}
