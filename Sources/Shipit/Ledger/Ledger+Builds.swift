import GRDB

/// What a build leaves in the ledger besides its artifact.
extension Ledger {
    /// The variables that a build exports; those of an earlier attempt are gone.
    func setExported(_ variables: [String: String], of job: Job) throws {
        let isNone = try read { db in
            guard variables.isEmpty else { return false }
            return try Int.fetchOne(db, cached: "SELECT 1 FROM exported_variable WHERE job = ?", arguments: [job.id])
                == nil
        }
        if isNone { return }
        try write(.withTheNext) { db in
            try db.execute(cached: "DELETE FROM exported_variable WHERE job = ?", arguments: [job.id])
            for (name, value) in variables.sorted(by: { $0.key < $1.key }) {
                try db.execute(
                    cached: "INSERT INTO exported_variable (job, name, value) VALUES (?, ?, ?)",
                    arguments: [job.id, name, value])
            }
        }
    }

    /// By name, in the order of the names.
    public func exported(of job: Int64) throws -> [(name: String, value: String)] {
        try read { db in
            try Row.fetchAll(
                db, cached: "SELECT name, value FROM exported_variable WHERE job = ? ORDER BY name", arguments: [job]
            ).map { ($0["name"], $0["value"]) }
        }
    }

    /// The move of a reference that a run came of: what it pointed to before.
    func move(behind run: Int64) throws -> (reference: String, old: String)? {
        try read { db in
            try Row.fetchOne(
                db, cached: "SELECT reference, old FROM push_update WHERE run = ? ORDER BY push DESC LIMIT 1",
                arguments: [run]
            ).map { ($0["reference"], $0["old"]) }
        }
    }
}
