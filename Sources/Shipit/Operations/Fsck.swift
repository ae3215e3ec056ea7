/// Checks every promise that shipit keeps on this machine, and mends what can be mended without touching what is live.
public struct Fsck: Sendable {
    let installation: Installation
    let setup: Setup
    /// The app that is looked at; nil for all of them.
    let app: String?

    public struct Report: Hashable, Sendable {
        /// By place; empty when all is well.
        public var findings: [Finding]
        /// What is unusual and breaks no promise.
        public var notes: [String]
    }

    public init(_ installation: Installation, program: String, app: String? = nil) {
        self.installation = installation
        setup = Setup(installation, program: program)
        self.app = app
    }

    private static let passing: Set<Finding.Code> = [.spoolWaiting, .jobUnattended, .referenceMoved]

    /// Looks, and looks again while somebody works: what is in flight moves, and a finding stands still.
    public func check() async throws -> Report {
        var (report, mayMove) = try await look()
        // Between a push and its worker's start nobody holds the lock, for as long as a program takes to start.
        if report.findings.contains(where: { Self.passing.contains($0.code) }) {
            mayMove = true
            try await Task.sleep(for: .seconds(1))
        }
        for _ in 0..<2 where mayMove && !report.findings.isEmpty {
            let (second, _) = try await look()
            report.findings.removeAll { !second.findings.contains($0) }
            report.notes = second.notes
        }
        return report
    }

    /// Mends what it can, saying each thing, and gives what is left.
    public func repair(_ report: Report, say: (String) -> Void) async throws -> Report {
        try await Mending(installation: installation, setup: setup).mend(report.findings, say: say)
        return try await check()
    }

    private func look() async throws -> (Report, mayMove: Bool) {
        let before = try installation.ledger.lastEvent()
        var inspection = try Inspection(installation, setup, only: app)
        try await inspection.run()
        let findings = Set(inspection.findings).sorted { ($0.place, $0.code.rawValue) < ($1.place, $1.code.rawValue) }
        let moved = try installation.ledger.lastEvent() != before
        return (Report(findings: findings, notes: inspection.notes), inspection.isAttended || moved)
    }
}
