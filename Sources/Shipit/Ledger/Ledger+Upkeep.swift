import GRDB
import GitKit

/// A repository elsewhere, and how fetching it goes.
public struct FetchRecord: Hashable, Sendable {
    public let app: String
    public let url: String
    /// When it worked last; nil: never yet.
    public let fetchedAt: Timestamp?
    public let failures: Int
    public let failingSince: Timestamp?
    /// Why the last one failed; nil when it worked.
    public let reason: String?
    public let nextAt: Timestamp
    public let requests: Int64
    /// The last request that a fetch which is over was begun after.
    public let answered: Int64

    /// What is wrong and when it is tried again, in one line; nil when it worked last time.
    public var trouble: String? {
        guard let reason, let failingSince else { return nil }
        let next = nextAt <= .now ? "the next try is due" : "next try \(nextAt.clock)"
        return "\(url): could not be fetched since \(failingSince.local): \(reason); \(next)"
    }
}

/// An app whose references do not show yet what became live.
struct ReferenceIntent: Hashable, Sendable {
    let app: String
    let deployment: Int64
    let failures: Int
}

/// What a worker sees to besides jobs.
struct Upkeep: Hashable, Sendable {
    let references: [ReferenceIntent]
    let fetches: [FetchRecord]
    /// When the next of either is due; nil when there is none.
    let next: Timestamp?
}

extension Ledger {
    /// What is due by now, all of one moment.
    func upkeep(at now: Timestamp) throws -> Upkeep {
        try read { db in
            let references = try Row.fetchAll(db, cached: "SELECT * FROM reference_intent")
            let fetches = try Row.fetchAll(db, cached: "SELECT * FROM fetch")
            let dueReferences = references.filter { ($0["next_at"] as Timestamp) <= now }.map(ReferenceIntent.init)
            let records = fetches.map(FetchRecord.init)
            return Upkeep(
                references: dueReferences, fetches: records.filter { $0.nextAt <= now || $0.requests > $0.answered },
                next: (references.map { $0["next_at"] } + records.map(\.nextAt)).filter { $0 > now }.min())
        }
    }

    // MARK: References

    func referenceIntent(of app: String) throws -> ReferenceIntent? {
        try read {
            try Row.fetchOne($0, cached: "SELECT * FROM reference_intent WHERE app = ?", arguments: [app])
                .map(ReferenceIntent.init)
        }
    }

    /// The references show what the ledger said when the intent was read. Lost in a power cut, they are set once more.
    func settle(_ intent: ReferenceIntent) throws {
        try write(.withTheNext) {
            try $0.execute(
                cached: "DELETE FROM reference_intent WHERE app = ? AND deployment = ?",
                arguments: [intent.app, intent.deployment])
        }
    }

    func postpone(_ intent: ReferenceIntent, until next: Timestamp, because reason: String) throws {
        try write(.withTheNext) {
            try $0.execute(
                cached: """
                    UPDATE reference_intent SET failures = failures + 1, next_at = ?, reason = ?
                    WHERE app = ? AND deployment = ?
                    """, arguments: [next, reason, intent.app, intent.deployment])
        }
    }

    // MARK: Fetching

    public func fetchRecord(of app: String) throws -> FetchRecord? {
        try read {
            try Row.fetchOne($0, cached: "SELECT * FROM fetch WHERE app = ?", arguments: [app]).map(FetchRecord.init)
        }
    }

    /// Brings the list of what is fetched to what the policies say; a new or another place is due at once.
    func expectFetches(_ urls: [String: String], of apps: [String]) throws {
        let known = try read { try Row.fetchAll($0, cached: "SELECT * FROM fetch").map(FetchRecord.init) }
        let gone = known.map(\.app).filter { apps.contains($0) && urls[$0] == nil }
        let changed = urls.filter { app, url in !known.contains { $0.app == app && $0.url == url } }
        guard !gone.isEmpty || !changed.isEmpty else { return }
        try write { db in
            for app in gone { try db.execute(cached: "DELETE FROM fetch WHERE app = ?", arguments: [app]) }
            for (app, url) in changed {
                try db.execute(
                    cached: """
                        INSERT INTO fetch (app, url, next_at) VALUES (?, ?, 0) ON CONFLICT (app) DO UPDATE
                        SET url = excluded.url, next_at = 0, failures = 0, failing_since = NULL, reason = NULL
                        """, arguments: [app, url])
            }
        }
    }

    /// Somebody wants a fetch now; gives the number that `answered` reaches when one that began after this is over.
    public func requestFetch(of app: String) throws -> Int64? {
        try write { db in
            try db.execute(cached: "UPDATE fetch SET requests = requests + 1 WHERE app = ?", arguments: [app])
            return try Int64.fetchOne(db, cached: "SELECT requests FROM fetch WHERE app = ?", arguments: [app])
        }
    }

    /// It worked. `known`: references that are taken as known, as nothing was ever fetched before.
    func fetched(_ record: FetchRecord, next: Timestamp, known: [String: Revision]) throws {
        try write(.withTheNext) { db in
            if let since = record.failingSince {
                try db.say(
                    .fetchRecovered, app: record.app,
                    "\(record.url) can be fetched again; it could not since \(since.local)")
            }
            for (name, revision) in known {
                try db.execute(
                    cached: "INSERT OR REPLACE INTO reference (app, name, revision) VALUES (?, ?, ?)",
                    arguments: [record.app, name, revision.hex])
            }
            try db.execute(
                cached: """
                    UPDATE fetch SET fetched_at = ?, failures = 0, failing_since = NULL, reason = NULL, next_at = ?,
                    answered = max(answered, ?) WHERE app = ? AND url = ?
                    """, arguments: [Timestamp.now, next, record.requests, record.app, record.url])
        }
    }

    /// Somebody else is at it.
    func postpone(_ record: FetchRecord, until next: Timestamp) throws {
        try write(.withTheNext) {
            try $0.execute(
                cached: "UPDATE fetch SET next_at = ?, answered = max(answered, ?) WHERE app = ?",
                arguments: [next, record.requests, record.app])
        }
    }

    func fetchFailed(_ record: FetchRecord, because reason: String, next: Timestamp) throws {
        try write(.withTheNext) { db in
            if record.failures == 0 {
                try db.say(.fetchFailed, app: record.app, "\(record.url) could not be fetched: \(reason)")
            }
            try db.execute(
                cached: """
                    UPDATE fetch SET failures = failures + 1, failing_since = coalesce(failing_since, ?), reason = ?,
                    next_at = ?, answered = max(answered, ?) WHERE app = ? AND url = ?
                    """, arguments: [Timestamp.now, reason, next, record.requests, record.app, record.url])
        }
    }

    /// The newest push that was taken in; 0 when there is none.
    public func lastPush() throws -> Int64 {
        try read { try Int64.fetchOne($0, cached: "SELECT max(id) FROM push") ?? 0 }
    }

    // MARK: Notes

    /// Of each environment the newest deployment that made the revision live.
    func noted(_ app: String, _ revision: Revision) throws -> [Deployment] {
        try read { db in
            try db.deployedEnvironments(app).compactMap { try db.newest($0, of: revision, app) }
        }
    }

    /// The same for all revisions that are wanted, of which there may be many fewer than were ever deployed.
    func noted(_ app: String, where isWanted: (Revision) -> Bool) throws -> [Revision: [Deployment]] {
        try read { db in
            var noted: [Revision: [Deployment]] = [:]
            for environment in try db.deployedEnvironments(app) {
                let revisions = try String.fetchCursor(
                    db, sql: "SELECT DISTINCT revision FROM deployment WHERE app = ? AND environment = ?",
                    arguments: [app, environment.name])
                var wanted: [Revision] = []
                while let hex = try revisions.next() {
                    if let revision = ObjectID(hex), isWanted(revision) { wanted.append(revision) }
                }
                for revision in wanted {
                    noted[revision, default: []] += try db.newest(environment, of: revision, app).map { [$0] } ?? []
                }
            }
            return noted
        }
    }
}

extension FetchRecord {
    fileprivate init(_ row: Row) {
        app = row["app"]
        url = row["url"]
        fetchedAt = row["fetched_at"]
        failures = row["failures"]
        failingSince = row["failing_since"]
        reason = row["reason"]
        nextAt = row["next_at"]
        requests = row["requests"]
        answered = row["answered"]
    }
}

extension ReferenceIntent {
    fileprivate init(_ row: Row) {
        app = row["app"]
        deployment = row["deployment"]
        failures = row["failures"]
    }
}

extension Database {
    /// By name, with the number of the deployment that is live.
    fileprivate func deployedEnvironments(_ app: String) throws -> [(name: String, live: Int64?)] {
        try Row.fetchAll(
            self, cached: "SELECT name, live FROM environment WHERE app = ? ORDER BY name", arguments: [app]
        ).map { ($0["name"], $0["live"]) }
    }

    /// The newest that worked; what is live is told even if it failed and was left as it is.
    fileprivate func newest(
        _ environment: (name: String, live: Int64?), of revision: Revision, _ app: String
    ) throws -> Deployment? {
        try Deployment.fetchOne(
            self,
            cached: """
                SELECT * FROM deployment WHERE app = ? AND environment = ? AND revision = ?
                    AND (status = 'succeeded' OR id = ?)
                ORDER BY id = ? DESC, id DESC LIMIT 1
                """, arguments: [app, environment.name, revision.hex, environment.live, environment.live])
    }
}
