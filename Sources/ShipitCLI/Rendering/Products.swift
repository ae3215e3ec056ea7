import Shipit

/// What a run was given, and what its build left besides its artifact, to be shown with the run.
struct Products {
    private let variables: [(name: String, value: String)]
    private let exported: [(name: String, value: String)]
    private let reports: [BuildReport]

    init(_ record: RunRecord, _ ledger: Ledger) throws {
        let build = record.jobs.first { $0.kind == .build }
        variables = try ledger.variables(of: record.run.id).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        exported = try build.map { try ledger.exported(of: $0.id) } ?? []
        reports = try build.map { try ledger.reports(of: $0.id) } ?? []
    }

    var json: [(String, JSON)] {
        [
            ("variables", .object(variables.map { ($0.name, .string($0.value)) })),
            ("exported", .object(exported.map { ($0.name, .string($0.value)) })),
            ("reports", .array(reports.map(Self.json))),
        ]
    }

    static func json(_ report: BuildReport) -> JSON {
        let totals = report.totals
        return [
            "name": .string(report.name), "format": .string(report.format), "files": JSON(report.files),
            "tests": JSON(totals.tests), "passed": JSON(totals.passed), "failed": JSON(totals.failed),
            "errored": JSON(totals.errored), "skipped": JSON(totals.skipped), "duration": JSON(totals.duration),
            "lines": JSON(totals.lines), "lines_covered": JSON(totals.linesCovered),
            "branches": JSON(totals.branches), "branches_covered": JSON(totals.branchesCovered),
        ]
    }

    var lines: [String] {
        variables.map { "variable \($0.name)=\(visibleLine($0.value))" }
            + reports.map { visibleLine($0.description) }
            + exported.map { "exported \($0.name)=\(visibleLine($0.value))" }
    }
}
