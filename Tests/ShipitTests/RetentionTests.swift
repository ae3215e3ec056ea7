import ArtifactKit
import Foundation
import GRDB
import GitKit
import Testing

@testable import Shipit

@Suite struct RetentionLimitsTests {
    /// Ten things of ten bytes, one a second.
    private func surplus(_ limits: RetentionLimits) -> Int {
        let items = (1...10).map { Kept(id: $0, since: Timestamp(milliseconds: $0 * 1000), bytes: 10) }
        return limits.surplus(items, of: 10, taking: 100, now: Timestamp(milliseconds: 11_000)).count
    }

    @Test(
        arguments: [
            (RetentionLimits(), 0), (RetentionLimits(count: 10), 0), (RetentionLimits(count: 3), 7),
            (RetentionLimits(count: 0), 10), (RetentionLimits(size: 100), 0), (RetentionLimits(size: 55), 5),
            (RetentionLimits(age: .seconds(10)), 0), (RetentionLimits(age: .seconds(4)), 6),
            (RetentionLimits(count: 9, age: .seconds(8), size: 65), 4),
        ])
    func `what exceeds any limit goes, oldest first`(limits: RetentionLimits, gone: Int) {
        #expect(surplus(limits) == gone)
    }
}

@Suite struct LedgerRetentionTests {
    /// When what ended just now is over for long enough.
    private let later = Timestamp(milliseconds: Timestamp.now.milliseconds + 7_200_000)

    private func book(_ retention: String) throws -> Book { try Book(extra: "retention: {\(retention)}") }

    private func isSound(_ ledger: Ledger) throws -> Bool {
        try ledger.integrityProblems().isEmpty && ledger.contradictions().isEmpty
    }

    private func count(_ table: String, _ book: Book) throws -> Int {
        try book.ledger.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") ?? 0 }
    }

    @Test func `runs beyond the count go with all that is theirs, and nothing points to them afterwards`() throws {
        let book = try book("runs: {count: 10}")
        for number in 1...30 { try book.ship(number) }
        let before = try book.ledger.runs(app: "blog", limit: 100)
        let gone = try book.ledger.forgetRuns(of: book.policy.pipeline, most: 1000, now: later) { _ in }
        #expect(gone == Array(1...20))
        #expect(try book.ledger.runs(app: "blog", limit: 100) == Array(before.prefix(10)))
        #expect(try book.ledger.pushes(app: "blog", limit: 100).count == 10)
        #expect(try count("push", book) == 10)
        #expect(try count("event WHERE run <= 20", book) == 0)
        #expect(try count("deployment", book) == 10)
        #expect(try isSound(book.ledger))
        #expect(try book.ledger.forgetRuns(of: book.policy.pipeline, most: 1000, now: later) { _ in } == [])
    }

    @Test func `what ended within the hour stays: somebody may be reading how`() throws {
        let book = try book("runs: {count: 1}, logs: {count: 0}")
        for number in 1...20 { try book.ship(number) }
        #expect(try book.ledger.forgetRuns(of: book.policy.pipeline, most: 1000) { _ in } == [])
        #expect(try book.ledger.forgetLogs(of: book.policy.pipeline, most: 1000) { _ in } == [])
    }

    @Test func `they go some at a time`() throws {
        let book = try book("runs: {count: 10}")
        for number in 1...30 { try book.ship(number) }
        #expect(try book.ledger.forgetRuns(of: book.policy.pipeline, most: 3, now: later) { _ in } == [1, 2, 3])
        #expect(try book.ledger.surplusRuns(of: book.policy.pipeline, most: .max, now: later).count == 17)
        #expect(try isSound(book.ledger))
    }

    @Test func `runs beyond the age go`() throws {
        let book = try book("runs: {age: 30d}")
        for number in 1...12 { try book.ship(number) }
        try book.ledger.write {
            try $0.execute(sql: "UPDATE run SET created_at = created_at - 31 * 86400000 WHERE id <= 4")
        }
        #expect(try book.ledger.forgetRuns(of: book.policy.pipeline, most: 1000, now: later) { _ in } == [1, 2, 3, 4])
    }

    @Test func `what is live, what was before, what a rollback may choose and what waits never goes`() throws {
        let book = try book("runs: {count: 1}")
        let waiting = try book.ship(1)
        try book.ledger.promote(waiting: try book.job(waiting, "production"), by: "ann", policy: book.policy)
        try book.deploy(waiting, "production")
        for number in 2...20 { try book.ship(number) }
        let staging = try book.ledger.environment("blog", "staging")
        let gone = try book.ledger.forgetRuns(of: book.policy.pipeline, most: 1000, now: later) { _ in }
        // Live in production is run 1; in staging 20, 19 before it and the five good ones besides stay.
        #expect(gone == Array(2...13))
        #expect(try book.ledger.environment("blog", "staging") == staging)
        #expect(try book.ledger.environment("blog", "production").live?.run == 1)
        #expect(try book.ledger.goodReleases(app: "blog", environment: "staging", limit: 9).count == 8)
        #expect(try book.status(20) == .waiting)
        #expect(try isSound(book.ledger))
    }

    @Test func `the run that an open rollback goes back to stays`() throws {
        let book = try book("runs: {count: 1}")
        for number in 1...12 { try book.ship(number) }
        let old = try #require(try book.ledger.deployment(2))
        let rollback = try book.ledger.rollBack(to: old, by: "ann", reason: nil, policy: book.policy)
        let gone = try book.ledger.forgetRuns(of: book.policy.pipeline, most: 1000, now: later) { _ in }
        #expect(!gone.contains(2) && gone.contains(1) && gone.contains(3))
        try book.deploy(rollback, "staging")
        #expect(try book.ledger.environment("blog", "staging").live?.revision == old.revision)
        #expect(try book.ledger.badRevisions(app: "blog", environment: "staging") == [Book.revision(12)])
        #expect(try isSound(book.ledger))
    }

    @Test func `marks of bad revisions outlive the runs that earned them`() throws {
        let book = try book("runs: {count: 1}")
        for number in 1...2 { try book.ship(number) }
        let good = try #require(try book.ledger.environment("blog", "staging").previous)
        try book.deploy(
            try book.ledger.rollBack(to: good, by: "ann", reason: nil, policy: book.policy), "staging")
        for number in 3...20 { try book.ship(number) }
        #expect(try book.ledger.forgetRuns(of: book.policy.pipeline, most: 1000, now: later) { _ in }.contains(2))
        #expect(try book.ledger.badRevisions(app: "blog", environment: "staging") == [Book.revision(2)])
    }

    @Test func `pushes that shipped nothing go with the runs of their time`() throws {
        let book = try book("runs: {count: 10}")
        for number in 1...30 {
            var intake = book.intake(number, spool: "ignored-\(number)")
            intake.updates[0].outcome = .ignored("no trigger names it")
            try book.ledger.takeIn(intake)
            try book.ship(number)
        }
        _ = try book.ledger.forgetRuns(of: book.policy.pipeline, most: 1000, now: later) { _ in }
        #expect(try count("push", book) == 20)
        #expect(try count("event WHERE kind = 'push.ignored'", book) == 10)
        #expect(try isSound(book.ledger))
    }

    // MARK: Artifacts

    @Test(arguments: [("count: 4", 6), ("size: 2K", 8), ("age: 1h", 0), ("count: 0", 10)])
    func `artifacts go that exceed a limit, and none that a release needs`(limit: String, gone: Int) throws {
        let book = try book("artifacts: {\(limit)}")
        for number in 1...17 { try book.ship(number, artifact: 1024) }
        let forgotten = try book.ledger.forgetArtifacts(of: book.policy.pipeline, most: 100) { _ in }
        #expect(forgotten.map(\.id) == Array((1...10).prefix(gone)).map(Int64.init))
        let needed = try book.ledger.neededArtifacts(of: book.policy.pipeline)
        #expect(needed == Set(11...17))
        #expect(try Set(book.ledger.artifacts(app: "blog").map(\.id)).isSuperset(of: needed))
        #expect(try book.ledger.artifact(1) != nil)
        #expect(try isSound(book.ledger))
    }

    @Test func `what an open run has just built stays, however small the limit`() throws {
        let book = try book("artifacts: {size: 0K}")
        let run = try book.push(1)
        _ = try book.take(run, "build")
        try book.addArtifact(run, size: 4096)
        #expect(try book.ledger.forgetArtifacts(of: book.policy.pipeline, most: 100) { _ in } == [])
    }

    @Test func `a rebuild with other bytes takes the name of a file that is gone`() throws {
        let book = try book("artifacts: {count: 0}")
        for number in 1...9 { try book.ship(number) }
        #expect(try book.ledger.forgetArtifacts(of: book.policy.pipeline, most: 100) { _ in }.count == 2)
        let (old, revision) = (try #require(try book.ledger.artifact(1)), Book.revision(1))
        let run = try #require(try book.ledger.run(old.run)?.run)
        let manifest = try #require(old.manifest)
        let other = try book.ledger.addArtifact(
            of: run, manifest: manifest, digest: Digest.of([1]), size: 1, file: old.file, method: .build)
        #expect(other.id != 1 && other.file == old.file)
        let same = try book.ledger.addArtifact(
            of: run, manifest: manifest, digest: old.digest, size: 1, file: "again.tar.zst", method: .build)
        #expect(same.id == 1 && same.file == "again.tar.zst" && same.removedAt == nil)
        #expect(try book.ledger.artifacts(app: "blog", revision: revision).map(\.id) == [other.id, 1])
    }

    @Test func `a tree that was let go is described again, and has its row again when it is packed`() throws {
        let book = try book("artifacts: {count: 0}")
        for number in 1...9 { try book.ship(number) }
        #expect(try book.ledger.forgetArtifacts(of: book.policy.pipeline, most: 100) { _ in }.count == 2)
        let old = try #require(try book.ledger.artifact(1))
        let run = try #require(try book.ledger.run(old.run)?.run)
        let (manifest, digest) = (try #require(old.manifest), try #require(old.digest))
        let described = try book.ledger.addArtifact(
            of: run, manifest: manifest, digest: nil, size: 0, file: old.file, method: .tree)
        #expect(described.id != old.id && described.digest == nil)
        try book.ledger.packed(described, digest, size: 7)
        let again = try #require(try book.ledger.artifacts(app: "blog", revision: run.revision).first)
        #expect(again.id == old.id && again.digest == digest && again.size == 7 && again.removedAt == nil)
        #expect(try book.ledger.artifact(described.id) == nil)
        #expect(try book.ledger.integrityProblems() == [])
    }

    @Test func `a description made in another way does not become a build's`() throws {
        let book = try book("artifacts: {count: 0}")
        let number = try book.push(1)
        let run = try #require(try book.ledger.run(number)?.run)
        let described = try book.ledger.addArtifact(
            of: run, manifest: Digest.of([1]), digest: nil, size: 0, file: "x.tar.zst", method: .tree)
        let built = try book.ledger.addArtifact(
            of: run, manifest: Digest.of([2]), digest: Digest.of([3]), size: 1, file: "x.tar.zst", method: .build)
        #expect(built.id != described.id && built.method == .build)
        #expect(try book.ledger.artifact(described.id)?.manifest == Digest.of([1]))
    }

    @Test func `the row of an artifact goes with the last run that used it`() throws {
        let book = try book("artifacts: {count: 0}, runs: {count: 1}")
        for number in 1...20 { try book.ship(number) }
        _ = try book.ledger.forgetArtifacts(of: book.policy.pipeline, most: 100) { _ in }
        #expect(try count("artifact", book) == 20)
        _ = try book.ledger.forgetRuns(of: book.policy.pipeline, most: 100, now: later) { _ in }
        #expect(try count("artifact", book) == 7)
    }

    // MARK: Logs

    @Test func `logs go by count and by size, and an open run keeps its own`() throws {
        let book = try book("logs: {count: 5, size: 1M}")
        for number in 1...10 { try book.ship(number) }
        let pipeline = book.policy.pipeline
        #expect(try book.ledger.forgetLogs(of: pipeline, most: 100, now: later) { _ in } == [1, 2, 3, 4, 5])
        // Run 10 waits, so nobody counts it yet.
        #expect(try book.ledger.uncountedLogs(app: "blog", most: 100) == [9, 8, 7, 6])
        try book.ledger.countLogs([(6, 400 << 10), (7, 400 << 10), (8, 400 << 10), (9, nil)])
        #expect(try book.ledger.forgetLogs(of: pipeline, most: 100, now: later) { _ in } == [6])
        #expect(try book.ledger.uncountedLogs(app: "blog", most: 100) == [])
        var stray: [Int64] = []
        try book.ledger.forgetStrayLogs([6, 7, 10, 99]) { stray.append($0) }
        #expect(stray == [6, 99])
    }
}
