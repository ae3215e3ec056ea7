import Foundation
import GRDB
import GitKit
import Synchronization
import Testing

@testable import Shipit

/// What SQLite was asked, and how it means to find the answers.
private final class Questions: Sendable {
    private let seen = Mutex<Set<String>>([])
    private let ledger: Ledger

    init(_ ledger: Ledger) throws {
        self.ledger = ledger
        try ledger.read { db in
            db.trace { event in
                guard case .statement(let statement) = event else { return }
                let sql = statement.sql
                if ["SELECT", "UPDATE", "DELETE", "INSERT"].contains(where: { sql.hasPrefix($0) }) {
                    self.seen.withLock { _ = $0.insert(sql) }
                }
            }
        }
    }

    var count: Int { seen.withLock(\.count) }

    /// Statements that read a table that grows from its beginning to its end.
    func scans() throws -> [String] {
        let all = seen.withLock(\.self).sorted()
        return try ledger.read { db in
            db.trace(nil)
            return try all.flatMap { sql in
                // A list of everything, newest first, ends at its limit.
                let isBounded = !sql.replacing("WHERE 1 ", with: "").contains("WHERE") && sql.contains("LIMIT")
                let plan = try db.makeStatement(sql: "EXPLAIN QUERY PLAN \(sql)")
                plan.setUncheckedArguments(StatementArguments())
                return try Row.fetchAll(plan)
                    .map { $0["detail"] as String }
                    .filter { !isBounded && Self.isScan($0) }.map { "\($0): \(sql)" }
            }
        }
    }

    private static func isScan(_ detail: String) -> Bool {
        let words = detail.split(separator: " ")
        guard words.first == "SCAN", words.count > 1, !detail.contains("job_open") else { return false }
        return ["run", "job", "deployment", "event", "artifact", "push", "push_update"].contains(words[1])
    }
}

@Suite struct LedgerAgeTests {
    @Test func `no statement of a run's life reads a table from end to end`() throws {
        let book = try Book(promotion: "automatic", extra: "retention: {runs: {count: 1}, logs: {count: 1, size: 1G}}")
        let questions = try Questions(book.ledger)
        let ledger = book.ledger
        for number in 1...9 {
            let run = try book.ship(number)
            try book.deploy(run, "production")
        }
        let good = try #require(try ledger.environment("blog", "production").previous)
        try book.deploy(try ledger.rollBack(to: good, by: "ann", reason: nil, policy: book.policy), "production")
        try ledger.hold("blog", "staging", Hold(kind: .hold, reason: "r", by: "ann", since: .now, until: .now))
        _ = try ledger.liftHoldsThatAreOver()
        let run = try book.push(10)
        _ = try book.take(run, "build")
        _ = try ledger.cancel(run: run, by: "ann", reason: "no")
        try ledger.takeUpAgain(try book.job(run, "build"), because: "the worker died")
        _ = try ledger.registerWorker(pid: 1, startTicks: 1, boot: "", beat: 1)
        #expect(questions.count > 40)
        let scans = try questions.scans()
        #expect(scans == [])
    }

    @Test func `no statement of a worker's step or of retention reads a table from end to end`() throws {
        let book = try Book(
            extra: "retention: {artifacts: {count: 0}, runs: {count: 1}, logs: {count: 1, size: 1G}}")
        for number in 1...12 { try book.ship(number) }
        let questions = try Questions(book.ledger)
        let (ledger, pipeline) = (book.ledger, book.policy.pipeline)
        _ = try ledger.liftHoldsThatAreOver()
        _ = try ledger.cancelRequests()
        _ = try ledger.openJobs()
        _ = try ledger.hasWork()
        _ = try ledger.abandonedJobs(notOf: 1)
        _ = try ledger.references(of: "blog")
        _ = try ledger.keptDeployments(app: "blog", pipeline.environments[0])
        _ = try ledger.uncountedLogs(app: "blog", most: 10)
        try ledger.countLogs([(1, 1)])
        #expect(try !ledger.forgetArtifacts(of: pipeline, most: 10) { _ in }.isEmpty)
        let later = Timestamp(milliseconds: Timestamp.now.milliseconds + 7_200_000)
        #expect(try !ledger.forgetLogs(of: pipeline, most: 10, now: later) { _ in }.isEmpty)
        #expect(try !ledger.forgetRuns(of: pipeline, most: 10, now: later) { _ in }.isEmpty)
        let scans = try questions.scans()
        #expect(scans == [])
    }

    @Test func `no statement of a command that looks reads a table from end to end`() async throws {
        let blog = try ShippedBlog(pushes: 2)
        let installation = try blog.installation()
        let (ledger, app) = (installation.ledger, try installation.app("blog"))
        let questions = try Questions(ledger)
        _ = try ledger.openRuns(app: "blog")
        _ = try ledger.openRuns()
        for name in ["blog", nil] {
            _ = try ledger.runs(app: name, limit: 20)
            _ = try ledger.pushes(app: name, limit: 20)
            _ = try ledger.artifacts(app: name)
        }
        for name in ["staging", nil] { _ = try ledger.deployments(app: "blog", environment: name, limit: 50) }
        let live = try #require(try ledger.environment("blog", "staging").live)
        _ = try ledger.runs(app: "blog", revision: live.revision)
        _ = try ledger.events(after: 0, runs: [1, 2])
        _ = try ledger.events(after: 0, run: 1)
        _ = try ledger.lastEvent()
        _ = try ledger.badRevisions(app: "blog", environment: "staging")
        _ = try RevisionResolver(installation, app).resolve(live.revision.abbreviated())
        _ = try Rollback.choose(installation, app, "staging", to: nil)
        _ = try Rollback.choose(installation, app, "staging", to: try #require(try ledger.deployment(1)).revision)
        let promotion = try Promotion.choose(installation, app, revision: nil, to: nil)
        _ = try PlanReport(installation, app, promotion)
        _ = try Promotion.choose(installation, app, revision: live.revision, to: "production")
        _ = try await StateReferences(installation: installation).update(app, dryRun: true)
        #expect(questions.count > 20)
        let scans = try questions.scans()
        #expect(scans == [])
    }

    @Test func `an aged ledger is a sound one, ships as before, and gc makes it young again`() async throws {
        let blog = try ShippedBlog(pushes: 3)
        let before = try blog.installation().ledger.environment("blog", "staging")
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../scripts/age-ledger")
            .path
        let aged = try blog.run(
            "/usr/bin/env",
            ["python3", script, blog.home.ledger, "--app", "blog", "--deployments", "5000", "--events", "30000"])
        try #require(aged.status == 0, "\(aged.text)")
        let ledger = try blog.installation().ledger
        #expect(try ledger.integrityProblems() == [])
        #expect(try ledger.contradictions() == [])
        #expect(try ledger.environment("blog", "staging").live?.revision == before.live?.revision)
        #expect(try ledger.deployments(app: "blog", limit: 10_000).count == 5003)
        // The commit of the newest runs that were made up has a note that tells of the true ones.
        #expect(try await blog.fsck().check().findings.map(\.code) == [.stateNote])
        #expect(try blog.shipit("fsck", "--repair").contains("wrote the note of"))
        #expect(try await blog.fsck().check().findings == [])

        let revision = try blog.push("after an age")
        #expect(try ledger.environment("blog", "staging").live?.revision.hex == revision)
        #expect(try blog.shipit("rollback", "staging").contains("is back at"))
        try blog.waitForPeace()
        #expect(try blog.shipit("log", "3337").contains("== build"))

        let policy = try String(contentsOfFile: blog.home.policy("blog"), encoding: .utf8)
        try blog.write("\(policy)\nretention: {runs: {count: 50}}\n", to: blog.home.policy("blog"), mode: 0o600)
        #expect(try blog.shipit("gc", "--dry-run").contains("would remove"))
        let said = try blog.shipit("gc")
        #expect(said.contains("runs from 1 to") && said.contains("of blog from the ledger"), "\(said)")
        #expect(try ledger.runs(app: "blog", limit: 10_000).count == 50)
        #expect(try blog.shipit("gc").contains("0 removed"))
        #expect(try await blog.fsck().check().findings == [])
    }
}
