import GRDB

/// What a build leaves in the ledger besides its artifact.
extension Ledger {
    /// The variables that a build exports, and its reports; those of an earlier attempt are gone, unless these join them.
    func record(
        exported: [String: String], _ reports: [BuildReport], of job: Job, joining: Bool = false
    ) throws {
        if exported.isEmpty, reports.isEmpty, job.attempt <= 1 || joining { return }
        try write(.withTheNext) { db in
            for table in joining ? [] : ["exported_variable", "report"] {
                try db.execute(cached: "DELETE FROM \(table) WHERE job = ?", arguments: [job.id])
            }
            for (name, value) in exported.sorted(by: { $0.key < $1.key }) {
                try db.execute(
                    cached: "INSERT OR REPLACE INTO exported_variable (job, name, value) VALUES (?, ?, ?)",
                    arguments: [job.id, name, value])
            }
            for report in reports {
                let totals = report.totals
                try db.execute(
                    cached: """
                        INSERT OR REPLACE INTO report (job, name, format, files, tests, passed, failed, errored, skipped,
                        duration, lines, lines_covered, branches, branches_covered)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        job.id, report.name, report.format, report.files, totals.tests, totals.passed, totals.failed,
                        totals.errored, totals.skipped, totals.duration, totals.lines, totals.linesCovered,
                        totals.branches, totals.branchesCovered,
                    ])
            }
        }
    }

    /// In the order of their names.
    public func reports(of job: Int64) throws -> [BuildReport] { try read { try $0.reports(ofJob: job) } }

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

extension Database {
    func reports(ofJob job: Int64) throws -> [BuildReport] {
        try Row.fetchAll(self, cached: "SELECT * FROM report WHERE job = ? ORDER BY name", arguments: [job]).map {
            var totals = ReportTotals()
            totals.tests = $0["tests"]
            totals.passed = $0["passed"]
            totals.failed = $0["failed"]
            totals.errored = $0["errored"]
            totals.skipped = $0["skipped"]
            totals.duration = $0["duration"]
            totals.lines = $0["lines"]
            totals.linesCovered = $0["lines_covered"]
            totals.branches = $0["branches"]
            totals.branchesCovered = $0["branches_covered"]
            return BuildReport(name: $0["name"], format: $0["format"], files: $0["files"], totals: totals)
        }
    }
}
