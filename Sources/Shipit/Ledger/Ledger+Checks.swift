import ArtifactKit
import GRDB

/// Two things that the ledger says and that cannot both be true.
struct Contradiction: Hashable, Sendable {
    let place: String
    let what: String
}

extension Ledger {
    /// The journal's mode, of which only WAL is durable as this ledger is used.
    func journalMode() throws -> String { try read { try String.fetchOne($0, sql: "PRAGMA journal_mode") ?? "" } }

    /// Values that no shipit writes; while there are any, rows must not be read as what they stand for.
    func unreadableRows() throws -> [Contradiction] {
        let words = Status.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
        let tables = ["run", "artifact", "deployment"].map { table in
            """
            SELECT '\(table) ' || id AS place, 'its revision is no commit id' AS what FROM \(table)
            WHERE length(revision) NOT IN (40, 64) OR revision GLOB '*[^0-9a-f]*'
            """
        }
        let statuses = ["job", "deployment"].map { table in
            """
            SELECT '\(table) ' || id AS place, 'its status is ' || status AS what FROM \(table)
            WHERE status NOT IN (\(words))
            """
        }
        return try contradictions(tables + statuses)
    }

    /// Sentences about runs, jobs, deployments and environments that must not be true.
    func contradictions() throws -> [Contradiction] { try contradictions(Self.impossible) + changedPolicies() }

    private func contradictions(_ queries: [String]) throws -> [Contradiction] {
        try read { db in
            try queries.flatMap { query in
                try Row.fetchAll(db, sql: query).map { Contradiction(place: $0["place"], what: $0["what"]) }
            }
        }
    }

    private func changedPolicies() throws -> [Contradiction] {
        try read { db in
            try Row.fetchAll(db, sql: "SELECT digest, text FROM policy").compactMap { row in
                let (digest, text): (String, String) = (row["digest"], row["text"])
                guard Digest.of(Array(text.utf8)).description != digest else { return nil }
                return Contradiction(place: "policy \(digest.prefix(12))", what: "its text has another digest")
            }
        }
    }

    /// Apps as the ledger knows them, with their repositories.
    func knownApps() throws -> [String: String] {
        try read { db in
            let rows = try Row.fetchAll(db, sql: "SELECT name, repository FROM app")
            return Dictionary(uniqueKeysWithValues: rows.map { ($0["name"], $0["repository"]) })
        }
    }

    /// The highest token that was given out.
    func fence() throws -> Int64 { try read { try Int64.fetchOne($0, sql: "SELECT max(token) FROM fence") ?? 0 } }

    /// When the newest event happened, by the wall clock.
    func lastEventTime() throws -> Timestamp? {
        try read { try Timestamp.fetchOne($0, sql: "SELECT at FROM event ORDER BY id DESC LIMIT 1") }
    }

    func sqliteVersion() throws -> String { try read { try String.fetchOne($0, sql: "SELECT sqlite_version()") ?? "" } }
}

extension Ledger {
    private static let impossible = [
        "SELECT 'run ' || id AS place, 'it has no job' AS what FROM run WHERE id NOT IN (SELECT run FROM job)",
        """
        SELECT 'run ' || run AS place, name || ' ' || status || ', and yet a later job was made' AS what FROM job
        WHERE status <> 'succeeded' AND EXISTS
            (SELECT 1 FROM job later WHERE later.run = job.run AND later.position > job.position)
        """,
        """
        SELECT 'run ' || job.run AS place, 'its job ' || job.name || ' belongs to ' || job.app AS what
        FROM job JOIN run ON run.id = job.run WHERE job.app <> run.app
        """,
        """
        SELECT app || ' ' || name AS place, count(*) || ' deployments run at once' AS what FROM job
        WHERE kind = 'deploy' AND status = 'running' GROUP BY app, name HAVING count(*) > 1
        """,
        """
        SELECT 'run ' || run AS place, name || ' runs under a worker that never was' AS what FROM job
        WHERE status = 'running' AND worker NOT IN (SELECT id FROM worker)
        """,
        """
        SELECT 'deployment ' || deployment.id AS place,
            'it is ' || deployment.status || ', and its job is ' || job.status AS what
        FROM deployment JOIN job ON job.id = deployment.job
        WHERE (job.status = 'running') <> (deployment.status = 'running')
            OR (job.status IN ('succeeded', 'failed', 'errored', 'cancelled') AND deployment.status <> job.status)
            OR (job.status = 'superseded' AND deployment.status IN ('queued', 'running', 'waiting'))
        """,
        """
        SELECT 'run ' || run AS place, name || ' ' || status || ' without a deployment' AS what FROM job
        WHERE kind = 'deploy' AND status IN ('running', 'succeeded') AND id NOT IN (SELECT job FROM deployment)
        """,
        pointer("live"), pointer("previous"),
        """
        SELECT 'deployment ' || id AS place, 'the one before it, ' || previous || ', is not there' AS what
        FROM deployment WHERE previous NOT IN (SELECT id FROM deployment)
        """,
        """
        SELECT 'fence' AS place, 'a deployment has a higher token than was given out' AS what
        WHERE (SELECT count(*) FROM fence) <> 1
            OR (SELECT token FROM fence) < (SELECT max(token) FROM deployment)
        """,
        """
        SELECT environment.app || ' ' || environment.name AS place,
            'its last release is ' || last_release || ', and there is one numbered ' || max(release) AS what
        FROM environment JOIN deployment ON deployment.app = environment.app AND environment = environment.name
        GROUP BY environment.app, environment.name HAVING max(release) > last_release
        """,
        """
        SELECT app || ' ' || environment AS place, 'release ' || release || ' stands for several revisions' AS what
        FROM deployment WHERE release IS NOT NULL
        GROUP BY app, environment, release HAVING count(DISTINCT revision) > 1
        """,
    ]

    /// Live is what succeeded, or what failed and was left as it is, in this environment and with a number.
    private static func pointer(_ column: String) -> String {
        """
        SELECT environment.app || ' ' || environment.name AS place,
            '\(column) is deployment ' || deployment.id || ', which is ' || deployment.status || ' in '
            || deployment.app || ' ' || environment || ', release ' || coalesce(release, 'none') AS what
        FROM environment JOIN deployment ON deployment.id = environment.\(column)
        WHERE deployment.app <> environment.app OR environment <> environment.name OR release IS NULL
            OR status IN ('waiting', 'superseded')
        """
    }
}
