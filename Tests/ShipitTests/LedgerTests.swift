import ArtifactKit
import Foundation
import GRDB
import GitKit
import Testing

@testable import Shipit

/// A ledger in a scratch folder, with an app and ways to bring runs to where a test wants them.
final class Book: Sendable {
    let path: String
    let ledger: Ledger
    let policy: Policy

    init(mode: String = "superseded", promotion: String = "manual", extra: String = "") throws {
        path = FileManager.default.temporaryDirectory.appending(path: "ledger-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        ledger = try Ledger(at: "\(path)/ledger.sqlite")
        let yaml = """
            app: blog
            repository: /srv/blog.git
            mode: \(mode)
            \(extra)
            environments:
              - name: staging
                targets: [/srv/blog/staging]
              - name: production
                promotion: \(promotion)
                targets: [/srv/blog/production]
            """
        let bytes = Array(yaml.utf8)
        policy = Policy(try Pipeline.parse(bytes, file: "pipeline.yml").pipeline, bytes)
        try ledger.addApp("blog", repository: "/srv/blog.git")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    static func revision(_ number: Int) -> Revision {
        ObjectID(String(repeating: "0", count: 40 - "\(number)".count) + "\(number)") ?? ObjectID(
            String(repeating: "a", count: 40))!
    }

    func intake(_ number: Int, spool: String? = nil, at: Timestamp = .now) -> Intake {
        Intake(
            spool: spool, repository: "/srv/blog.git", by: "ann", options: [], at: at,
            updates: [
                Intake.Update(
                    app: "blog", reference: "refs/heads/main", old: Self.revision(number - 1).hex,
                    new: Self.revision(number).hex,
                    outcome: .run(Self.revision(number), policy), moves: true)
            ])
    }

    @discardableResult
    func push(_ number: Int) throws -> Int64 { try ledger.takeIn(intake(number, spool: "push-\(number)"))[0] }

    func status(_ run: Int64) throws -> Shipit.Status? { try ledger.run(run)?.status }
    func job(_ run: Int64, _ name: String) throws -> Job {
        try #require(try ledger.run(run)?.jobs.first { $0.name == name })
    }

    func take(_ run: Int64, _ name: String, worker: Int64 = 1) throws -> (job: Job, deployment: Deployment?) {
        try #require(try ledger.take(try job(run, name), worker: worker))
    }

    func build(_ run: Int64, artifact size: Int64 = 1) throws {
        let job = try take(run, "build").job
        let artifact = try addArtifact(run, size: size)
        try ledger.finishBuild(job, artifact: artifact.id, duration: .seconds(1), policy: policy)
    }

    @discardableResult
    func addArtifact(_ run: Int64, size: Int64) throws -> Artifact {
        let run = try #require(try ledger.run(run)?.run)
        let digest = Digest.of(Array(run.revision.hex.utf8))
        return try ledger.addArtifact(
            of: run, manifest: digest, digest: digest, size: size, file: "\(run.revision.hex).tar.zst", method: .build)
    }

    func deploy(_ run: Int64, _ name: String) throws {
        let (job, deployment) = try take(run, name)
        try ledger.finishDeployment(job, try #require(deployment), duration: .seconds(1), policy: policy)
    }

    /// From the push to live on staging.
    @discardableResult
    func ship(_ number: Int, artifact size: Int64 = 1) throws -> Int64 {
        let run = try push(number)
        try build(run, artifact: size)
        try deploy(run, "staging")
        return run
    }

    func kinds(_ run: Int64) throws -> [Event.Kind] { try ledger.events(after: 0, run: run).map(\.kind) }
}

@Suite struct LedgerTests {
    @Test func `what the ledger says it kept is kept: WAL and synchronous FULL`() throws {
        let book = try Book()
        #expect(try book.ledger.synchronousMode() == 2)
        #expect(try book.ledger.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") } == "wal")
        #expect(try book.ledger.integrityProblems() == [])
    }

    @Test func `a ledger that a newer shipit wrote is refused`() throws {
        let book = try Book()
        try book.ledger.write { try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('99')") }
        #expect {
            _ = try Ledger(at: "\(book.path)/ledger.sqlite")
        } throws: { error in
            "\(error)"
                == "the ledger \(book.path)/ledger.sqlite was written by a newer shipit\n  hint: install that version again"
        }
    }

    @Test func `a ledger that is none is said to be damaged`() throws {
        let book = try Book()
        try Data(repeating: 0x41, count: 8192).write(to: URL(filePath: "\(book.path)/other.sqlite"))
        #expect {
            _ = try Ledger(at: "\(book.path)/other.sqlite")
        } throws: { error in
            "\(error)".hasPrefix("the ledger \(book.path)/other.sqlite is damaged: ")
                && "\(error)".contains("\n  hint: ")
        }
    }

    @Test func `taking in a spool file twice makes one push and one run`() throws {
        let book = try Book()
        let first = try book.ledger.takeIn(book.intake(1, spool: "a"))
        let again = try book.ledger.takeIn(book.intake(1, spool: "a"))
        #expect(first.count == 1 && again.isEmpty)
        #expect(try book.ledger.pushes(app: "blog", limit: 10).count == 1)
        #expect(try book.ledger.runs(app: "blog", limit: 10).count == 1)
        #expect(try book.ledger.references(of: "blog") == ["refs/heads/main": Book.revision(1)])
    }

    @Test func `a move that was found by comparing is joined by its spool file when that comes later`() throws {
        let book = try Book()
        let found = try book.ledger.takeIn(book.intake(1))
        #expect(found.count == 1)
        var late = book.intake(1, spool: "late")
        late.by = "ben"
        late.options = ["wait"]
        #expect(try book.ledger.takeIn(late).isEmpty)
        let push = try #require(try book.ledger.push(spool: "late"))
        #expect(push.by == "ben" && push.options == ["wait"] && push.updates.map(\.run) == [found[0]])
        #expect(try book.ledger.runs(app: "blog", limit: 10).map(\.run.by) == ["ben"])
    }

    @Test func `a spool file that comes late joins all of its moves that were found, and brings the rest`() throws {
        let book = try Book(mode: "queued")
        let found = try book.ledger.takeIn(book.intake(1))
        func update(_ name: String, _ number: Int) -> Intake.Update {
            Intake.Update(
                app: "blog", reference: "refs/heads/\(name)", old: String(repeating: "0", count: 40),
                new: Book.revision(number).hex, outcome: .run(Book.revision(number), book.policy), moves: true)
        }
        var second = book.intake(2)
        second.updates = [update("next", 2)]
        let foundToo = try book.ledger.takeIn(second)
        var late = book.intake(1, spool: "late")
        late.by = "ben"
        late.updates += [update("next", 2), update("topic", 3)]
        let runs = try book.ledger.takeIn(late)
        #expect(runs.count == 1)
        let push = try #require(try book.ledger.push(spool: "late"))
        #expect(push.updates.map(\.run) == [found[0], foundToo[0], runs[0]])
        #expect(try book.ledger.pushes(app: "blog", limit: 10).count == 1)
        #expect(try book.ledger.runs(app: "blog", limit: 10).map(\.run.by) == ["ben", "ben", "ben"])
        #expect(try book.ledger.takeIn(late).isEmpty)
    }

    @Test func `in the mode superseded a newer push takes the place of one that has not begun`() throws {
        let book = try Book()
        let first = try book.push(1)
        _ = try book.take(first, "build")
        let second = try book.push(2)
        let third = try book.push(3)
        #expect(try book.status(first) == .running)
        #expect(try book.status(second) == .superseded)
        #expect(try book.ledger.run(second)?.reason == "superseded by run \(third)")
        #expect(try book.status(third) == .queued)
        #expect(try book.kinds(second).last == .jobSuperseded)
    }

    @Test func `in the mode queued every push gets its turn`() throws {
        let book = try Book(mode: "queued")
        let runs = try (1...3).map { try book.push($0) }
        #expect(try runs.map { try book.status($0) } == [.queued, .queued, .queued])
        #expect(Schedule().next(try book.ledger.openJobs()).map(\.run) == [runs[0]])
    }

    @Test func `what a person started is never superseded by a push`() throws {
        let book = try Book()
        let started = try book.ledger.start("blog", Book.revision(7), rebuild: false, by: "ann", policy: book.policy)
        try book.push(1)
        #expect(try book.status(started) == .queued)
    }

    @Test func `a newer revision on staging takes the place of one that waits for promotion`() throws {
        let book = try Book()
        let first = try book.ship(1)
        #expect(try book.status(first) == .waiting)
        let second = try book.ship(2)
        #expect(try book.status(first) == .superseded)
        #expect(try book.status(second) == .waiting)
        #expect(try book.ledger.run(second)?.reason == "for promotion; shipit promote")
    }

    @Test func `an environment has one running deployment, by a unique index`() throws {
        let book = try Book(mode: "queued")
        let first = try book.push(1), second = try book.push(2)
        try book.build(first)
        try book.build(second)
        _ = try book.take(first, "staging")
        #expect(throws: ShipitError.self) { try book.take(second, "staging") }
        #expect(try book.status(second) == .queued)
    }

    @Test func `a job is taken once`() throws {
        let book = try Book()
        let run = try book.push(1)
        let job = try book.job(run, "build")
        #expect(try book.ledger.take(job, worker: 1) != nil)
        #expect(try book.ledger.take(job, worker: 2) == nil)
    }

    @Test func `every attempt at a deployment has a higher token, and keeps its release's number`() throws {
        let book = try Book()
        let run = try book.push(1)
        try book.build(run)
        let (job, first) = try book.take(run, "staging")
        try book.ledger.takeUpAgain(job, because: "the worker died")
        let second = try book.take(run, "staging", worker: 2).deployment
        #expect(first?.id == second?.id && first?.release == 1 && second?.release == 1)
        #expect(try #require(second).token > #require(first).token)
    }

    @Test func `a job whose worker dies is taken up three times and is then errored`() throws {
        let book = try Book()
        let run = try book.push(1)
        for attempt in 1...3 {
            let job = try book.take(run, "build", worker: Int64(attempt)).job
            #expect(job.attempt == attempt)
            #expect(try book.ledger.abandonedJobs(notOf: 99).map(\.id) == [job.id])
            #expect(try book.ledger.abandonedJobs(notOf: Int64(attempt)).isEmpty)
            try book.ledger.takeUpAgain(job, because: "the worker died")
        }
        #expect(try book.status(run) == .errored)
        #expect(try book.ledger.run(run)?.reason == "the worker died 3 times")
        #expect(try book.kinds(run).filter { $0 == .jobInterrupted }.count == 2)
    }

    @Test func `a job whose worker stopped in order does not count the attempt`() throws {
        let book = try Book()
        let run = try book.push(1)
        try book.ledger.putBackInLine(try book.take(run, "build").job, because: "the worker was stopped")
        let job = try book.job(run, "build")
        #expect(job.status == .queued && job.attempt == 0 && job.worker == nil)
    }

    @Test func `an abandoned job that somebody cancelled ends cancelled`() throws {
        let book = try Book()
        let run = try book.push(1)
        _ = try book.take(run, "build")
        #expect(try book.ledger.cancel(run: run, by: "ben", reason: "cancelled by ben").count == 1)
        #expect(try book.ledger.cancelRequests().values.first == "ben")
        try book.ledger.takeUpAgain(try book.job(run, "build"), because: "the worker died")
        #expect(try book.status(run) == .cancelled)
        #expect(try book.ledger.run(run)?.reason == "cancelled by ben")
    }

    @Test func `a held environment makes its deployments wait, and lets them go when the hold is lifted`() throws {
        let book = try Book()
        let run = try book.push(1)
        try book.build(run)
        try book.ledger.hold(
            "blog", "staging", Hold(kind: .hold, reason: "the sale", by: "ann", since: .now, until: nil))
        #expect(try book.ledger.take(try book.job(run, "staging"), worker: 1) == nil)
        #expect(try book.status(run) == .waiting)
        #expect(try book.ledger.run(run)?.reason == "staging is held by ann: the sale; shipit unhold staging")
        #expect(try book.ledger.unhold("blog", "staging", by: "ben"))
        #expect(try book.status(run) == .queued)
        #expect(try !book.ledger.unhold("blog", "staging", by: "ben"))
    }

    @Test func `a hold ends by itself when its time is over`() throws {
        let book = try Book()
        let run = try book.push(1)
        try book.build(run)
        let soon = Timestamp(milliseconds: Timestamp.now.milliseconds + 60_000)
        try book.ledger.hold("blog", "staging", Hold(kind: .hold, reason: "r", by: "ann", since: .now, until: soon))
        #expect(try book.ledger.take(try book.job(run, "staging"), worker: 1) == nil)
        #expect(try book.ledger.liftHoldsThatAreOver() == soon)
        #expect(try book.status(run) == .waiting)
        try book.ledger.hold(
            "blog", "staging",
            Hold(
                kind: .hold, reason: "r", by: "ann", since: .now,
                until: Timestamp(milliseconds: Timestamp.now.milliseconds - 1)))
        #expect(try book.ledger.environment("blog", "staging").hold == nil)
        #expect(try book.ledger.liftHoldsThatAreOver() == nil)
        #expect(try book.status(run) == .queued)
    }

    @Test func `two who are woken by one alarm do not go back twice`() throws {
        let book = try Book(promotion: "automatic")
        for number in 1...2 { try book.deploy(try book.ship(number), "production") }
        let state = try book.ledger.environment("blog", "production")
        let (good, bad) = (try #require(state.previous), try #require(state.live))
        func rollBack() throws -> Int64 {
            try book.ledger.rollBack(to: good, from: bad.id, by: "ann", reason: nil, policy: book.policy)
        }
        let first = try rollBack()
        #expect(throws: ShipitError.self) { try rollBack() }
        try book.deploy(first, "production")
        #expect(throws: ShipitError.self) { try rollBack() }
        #expect(try book.ledger.environment("blog", "production").live?.revision == good.revision)
    }

    @Test func `a rollback marks what was live as bad and holds automatic promotions; a promotion undoes both`() throws
    {
        let book = try Book(promotion: "automatic")
        for number in 1...2 {
            let run = try book.ship(number)
            try book.deploy(run, "production")
        }
        let good = try #require(try book.ledger.environment("blog", "production").previous)
        let rollback = try book.ledger.rollBack(to: good, by: "ann", reason: nil, policy: book.policy)
        try book.deploy(rollback, "production")
        var state = try book.ledger.environment("blog", "production")
        #expect(state.live?.revision == Book.revision(1) && state.live?.kind == .rollback)
        #expect(state.hold?.kind == .rollback && state.hold?.by == "ann")
        #expect(try book.ledger.badRevisions(app: "blog", environment: "production") == [Book.revision(2)])

        let third = try book.ship(3)
        #expect(try book.status(third) == .waiting)
        #expect(try book.job(third, "production").waits == .promotion)
        #expect(
            try book.job(third, "production").reason
                == "production was rolled back; shipit promote, or shipit unhold production")
        try book.ledger.promote(waiting: try book.job(third, "production"), by: "ben", policy: book.policy)
        try book.deploy(third, "production")
        state = try book.ledger.environment("blog", "production")
        #expect(state.hold == nil && state.live?.revision == Book.revision(3))
    }

    @Test func `an automatic environment follows by itself, a manual one waits`() throws {
        let automatic = try Book(promotion: "automatic")
        #expect(try automatic.job(try automatic.ship(1), "production").status == .queued)
        let manual = try Book()
        #expect(try manual.job(try manual.ship(1), "production").status == .waiting)
    }

    @Test func `a rollback asks the deployment that runs there to stop`() throws {
        let book = try Book(mode: "queued")
        try book.ship(1)
        try book.ship(2)
        let third = try book.push(3)
        try book.build(third)
        let running = try book.take(third, "staging").job
        let good = try #require(try book.ledger.environment("blog", "staging").previous)
        let rollback = try book.ledger.rollBack(to: good, by: "ann", reason: nil, policy: book.policy)
        #expect(try book.ledger.cancelRequests() == [running.id: "the rollback, run \(rollback)"])
        #expect(Schedule().next(try book.ledger.openJobs()).isEmpty)
        try book.ledger.end(running, as: Ending(.cancelled, "cancelled", duration: .zero))
        #expect(Schedule().next(try book.ledger.openJobs()).map(\.run) == [rollback])
    }

    @Test func `a state and its event are written together`() throws {
        let book = try Book()
        let run = try book.ship(1)
        #expect(
            try book.kinds(run) == [
                .runCreated, .jobQueued, .jobStarted, .jobSucceeded, .jobQueued, .jobStarted, .jobSucceeded,
                .jobWaiting,
            ])
        let texts = try book.ledger.events(after: 0, run: run).map(\.text)
        #expect(texts.first == "run 1: push to refs/heads/main by ann, 0000000")
        #expect(texts.last == "production waits: for promotion; shipit promote")
        let ids = try book.ledger.events(after: 0).map(\.id)
        let last = try book.ledger.lastEvent()
        #expect(ids == ids.sorted() && ids.last == last)
    }

    @Test func `a failed job can be retried once, from its beginning and under today's policy`() throws {
        let book = try Book()
        let run = try book.push(1)
        let job = try book.take(run, "build").job
        try book.ledger.end(job, as: Ending(.failed, "no", duration: .zero))
        let failed = try book.job(run, "build")
        try book.ledger.retry(failed, by: "ann", policy: book.policy)
        #expect(try book.job(run, "build").attempt == 0)
        #expect(throws: ShipitError(.busy, "run \(run) moved on meanwhile")) {
            try book.ledger.retry(failed, by: "ben", policy: book.policy)
        }
        #expect(throws: ShipitError.self) {
            try book.ledger.retry(try book.job(run, "build"), by: "ann", policy: book.policy)
        }
    }

    @Test func `removing an app leaves nothing of it`() throws {
        let book = try Book()
        try book.ship(1)
        try book.ledger.removeApp("blog")
        #expect(try book.ledger.integrityProblems() == [])
        #expect(try book.ledger.runs(app: nil, limit: 10).isEmpty)
        #expect(try book.ledger.artifacts(app: nil).isEmpty)
        #expect(try book.ledger.deployments(app: "blog", limit: 10).isEmpty)
        for table in ["run", "job", "deployment", "event", "push", "push_update", "environment"] {
            #expect(try book.ledger.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") } == 0)
        }
    }

    @Test func `ledgers of several processes see each other's commits`() throws {
        let book = try Book()
        let other = try Ledger(at: "\(book.path)/ledger.sqlite")
        let run = try book.push(1)
        #expect(try other.run(run)?.status == .queued)
        #expect(try other.events(after: 0).count == 2)
    }
}
