import GRDB
public import GitKit

/// A person went back from a revision: who, when, and why.
public struct BadMark: Hashable, Sendable {
    public let by: String
    public let at: Timestamp
    public let reason: String?
}

extension Ledger {
    /// The revisions that nobody chooses by himself in an environment.
    public func badMarks(app: String, environment: String) throws -> [Revision: BadMark] {
        try read { db in
            let rows = try Row.fetchAll(
                db, cached: "SELECT * FROM bad_revision WHERE app = ? AND environment = ?",
                arguments: [app, environment])
            var marks: [Revision: BadMark] = [:]
            for row in rows {
                guard let revision = ObjectID(row["revision"] as String) else { continue }
                marks[revision] = BadMark(by: row["by"], at: row["at"], reason: row["reason"])
            }
            return marks
        }
    }
}
