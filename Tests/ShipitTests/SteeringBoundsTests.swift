import ArtifactKit
import Foundation
import GRDB
import GitKit
import Testing

@testable import Shipit

/// What happens between a decision and its effect: somebody says no, asks twice, or changes the policy meanwhile.
@Suite struct SteeringBoundsTests {
    private func artifact(_ book: Book, _ run: Int64) throws -> Artifact {
        let id = try #require(try book.job(run, "staging").artifact)
        return try #require(try book.ledger.artifact(id))
    }

    private func promote(_ book: Book, _ run: Int64) throws {
        let waiting = try book.job(run, "production")
        try book.ledger.promote(waiting: waiting, by: "ann", policy: book.policy)
    }

    @Test func `what was rejected and is retried waits again, and no approval of before counts`() throws {
        let book = try Book(promotion: "automatic\n    approvals: 2")
        let run = try book.ship(1)
        func approve(_ person: String) throws {
            let job = try book.job(run, "production")
            try book.ledger.approve(
                job, by: person, isAuthor: false, expires: Timestamp(milliseconds: Timestamp.now.milliseconds + 60_000),
                reason: nil, plan: "p", artifact: try artifact(book, run).manifest?.description ?? "", live: nil,
                policy: book.policy, signature: nil)
        }
        try approve("ben")
        #expect(try book.job(run, "production").reason?.contains("for 1 more approval (ben said yes)") == true)
        try book.ledger.reject(try book.job(run, "production"), by: "cyd", reason: "not now")
        #expect(try book.status(run) == .cancelled)
        let job = try book.job(run, "production")
        #expect(try book.ledger.approvals(of: job.id).map(\.void) == ["rejected by cyd: not now"])
        try book.ledger.retry(job, by: "dan", policy: book.policy)
        let again = try book.job(run, "production")
        #expect(again.status == .waiting && again.by == nil)
        #expect(again.reason?.hasPrefix("for 2 approvals") == true)
    }

    @Test func `a retry by hand promotes nothing, and a promoted one wants somebody who may promote`() throws {
        let book = try Book(extra: "allow: {promote: [ann], retry: ['*'], rollback: [ann]}")
        let run = try book.ship(1)
        let allow = book.policy.pipeline.allow
        try book.ledger.reject(try book.job(run, "production"), by: "ben", reason: nil)
        try allow.checkRetry(of: try book.job(run, "production"), person: "ben")
        try book.ledger.retry(try book.job(run, "production"), by: "ben", policy: book.policy)
        #expect(try book.job(run, "production").waits == .promotion)
        try promote(book, run)
        _ = try book.ledger.cancel(run: run, by: "ann", reason: "cancelled by ann")
        let promoted = try book.job(run, "production")
        #expect(throws: ShipitError.self) { try allow.checkRetry(of: promoted, person: "ben") }
        try allow.checkRetry(of: promoted, person: "ann")
    }

    @Test(arguments: [
        ("ann", "ann", true), ("ann", "ann@example.org", true), ("Ann@example.org", "ann@Example.org", true),
        ("ann@home.org", "ann@example.org", true), ("ann", "anna", false), ("", "", false), ("@ann", "@ben", false),
        ("ben@ann", "ann", false),
    ])
    func `an account and an address are one author where one may be the other's`(
        _ one: String, _ other: String, _ expected: Bool
    ) {
        #expect(Person.areAlike(one, other) == expected && Person.areAlike(other, one) == expected)
    }

    @Test func `what was rolled back while it ran stays bad and held when it comes to its end all the same`() throws {
        let book = try Book()
        let run = try book.ship(1)
        try promote(book, run)
        let (job, deployment) = try book.take(run, "production")
        try book.ledger.rollBack(running: job, Book.revision(1), by: "ben", reason: nil)
        try book.ledger.finishDeployment(
            job, try #require(deployment), duration: .seconds(1), policy: book.policy)
        let state = try book.ledger.environment("blog", "production")
        #expect(state.live?.revision == Book.revision(1) && state.hold?.kind == .rollback && state.hold?.by == "ben")
        #expect(try book.ledger.badRevisions(app: "blog", environment: "production") == [Book.revision(1)])
    }

    @Test func `a plan tells that a webhook changed, and not its address`() {
        #expect(PlanReport.shown("  - webhook: https://hooks.example.org/T0/s3cret") == "  - webhook: …")
        #expect(PlanReport.shown("keep: 5\u{1B}") == "keep: 5^[")
    }

    @Test func `a push of many branches keeps the ledger for no longer than a moment`() throws {
        let book = try Book(mode: "queued")
        var intake = book.intake(1, spool: "many")
        intake.updates = (1...600).map { number in
            Intake.Update(
                app: "blog", reference: "refs/heads/topic-\(number)", old: Book.revision(0).hex,
                new: Book.revision(number).hex, outcome: .run(Book.revision(number), book.policy), moves: true)
        }
        let began = ContinuousClock.now
        let runs = try book.ledger.takeIn(intake)
        #expect(ContinuousClock.now - began < .seconds(15))
        #expect(try runs.count == 600 && book.ledger.openJobs().map(\.job.run) == runs)
    }

    @Test func `a build whose environment the policy lost meanwhile ends with an error and never as a success`() throws
    {
        let book = try Book()
        var intake = book.intake(1, spool: "straight")
        intake.updates[0].outcome = .run(Book.revision(1), book.policy, Course(entry: "production"))
        let run = try book.ledger.takeIn(intake)[0]
        let build = try book.take(run, "build").job
        let text = try #require(book.policy.text.split(separator: "  - name: production").first)
        let bytes = Array(text.utf8)
        try book.ledger.look(under: Policy(try Pipeline.parse(bytes, file: "pipeline.yml").pipeline, bytes))
        let artifact = try book.addArtifact(run, size: 1)
        try book.ledger.finishBuild(build, artifact: artifact.id, duration: .seconds(1), policy: book.policy)
        #expect(try book.status(run) == .errored)
        #expect(try book.job(run, "build").reason == "the policy has no environment production any more")
    }

    @Test func `one artifact does not go to one place by two runs, whoever asks at once`() throws {
        let book = try Book()
        let run = try book.ship(1)
        let waiting = try book.job(run, "production")
        try promote(book, run)
        #expect(throws: ShipitError.self) {
            try book.ledger.promote(waiting: waiting, by: "ben", policy: book.policy)
        }
        let artifact = try artifact(book, run)
        #expect {
            try book.ledger.promote(artifact, to: "production", by: "ben", reason: nil, policy: book.policy)
        } throws: { "\($0)".hasPrefix("run 1 is on its way to production with 0000000 already") }
        try book.deploy(run, "production")
        #expect(try book.ledger.promote(artifact, to: "production", by: "ben", reason: nil, policy: book.policy) == 2)
    }

    @Test func `two who promote the waiting run at once: the second is told of the first`() throws {
        let book = try Book(promotion: "manual\n    approvals: 1")
        let run = try book.ship(1)
        let waiting = try book.job(run, "production")
        try promote(book, run)
        #expect {
            try book.ledger.promote(waiting: waiting, by: "ben", policy: book.policy)
        } throws: { "\($0)".hasPrefix("run 1 was promoted by ann meanwhile") }
    }

    @Test func `a promotion of what soaks waits until it has, and somebody looks at it then`() throws {
        let book = try Book(promotion: "manual\n    soak: 1h")
        let first = try book.ship(1)
        _ = try book.ship(2)
        let run = try book.ledger.promote(
            try artifact(book, first), to: "production", by: "ann", reason: nil, policy: book.policy)
        let job = try book.job(run, "production")
        #expect(job.waits == .soak && job.wakesAt != nil)
        #expect(job.reason?.hasPrefix("to have been in staging for 1 h") == true, "\(job.reason ?? "")")
    }

    @Test func `other bytes of the same commit soak anew`() throws {
        let book = try Book(promotion: "automatic\n    soak: 1h")
        let first = try book.ship(1)
        let rebuilt = try book.ledger.start(
            "blog", Book.revision(1), rebuild: true, by: "ann", policy: book.policy)
        let build = try book.take(rebuilt, "build").job
        let record = try #require(try book.ledger.run(rebuilt)?.run)
        let other = try book.ledger.addArtifact(
            of: record, manifest: .of([1]), digest: .of([1]), size: 1, file: "other.tar.zst", method: .build)
        try book.ledger.finishBuild(build, artifact: other.id, duration: .seconds(1), policy: book.policy)
        try book.deploy(rebuilt, "staging")
        try book.ledger.write {
            try $0.execute(sql: "UPDATE deployment SET ended_at = ended_at - 7200000 WHERE run = ?", arguments: [first])
        }
        try book.ledger.hold(
            "blog", "staging", Hold(kind: .hold, reason: "look", by: "ann", since: .now, until: nil))
        #expect(try book.job(first, "production").status == .queued)
        #expect(try book.job(rebuilt, "production").waits == .soak)
    }

    @Test func `who promotes an older revision leaves the newer one waiting`() throws {
        let book = try Book()
        let first = try book.ship(1)
        let second = try book.ship(2)
        let run = try book.ledger.promote(
            try artifact(book, first), to: "production", by: "ann", reason: nil, policy: book.policy)
        try book.deploy(run, "production")
        #expect(try book.job(second, "production").waits == .promotion)
        let third = try book.ship(3)
        #expect(try book.status(second) == .superseded)
        try promote(book, third)
        try book.deploy(third, "production")
        #expect(try book.ledger.openRuns(app: "blog").isEmpty)
    }

    @Test func `a deployment goes by the policy that let it go`() throws {
        let book = try Book()
        let run = try book.ship(1)
        try book.ledger.hold(
            "blog", "production", Hold(kind: .hold, reason: "wait", by: "ann", since: .now, until: nil))
        try promote(book, run)
        let text = Array((book.policy.text + "\n    keep: 3").utf8)
        let today = Policy(try Pipeline.parse(text, file: "pipeline.yml").pipeline, text)
        try book.ledger.look(under: today)
        _ = try book.ledger.unhold("blog", "production", by: "ann")
        #expect(try book.take(run, "production").job.policy == today.digest)
        // What was interrupted goes on as it began.
        try book.ledger.look(under: book.policy)
        try book.ledger.takeUpAgain(try book.job(run, "production"), because: "the worker died")
        #expect(try book.take(run, "production").job.policy == today.digest)
    }

    @Test func `a run that somebody cancels goes no further, in whatever way its step ends`() throws {
        let book = try Book(promotion: "automatic", extra: "build: {retry: 3}")
        let run = try book.push(1)
        try book.build(run)
        let (job, deployment) = try book.take(run, "staging")
        _ = try book.ledger.cancel(run: run, by: "ann", reason: "no")
        try book.ledger.finishDeployment(
            job, try #require(deployment), duration: .seconds(1), policy: book.policy)
        #expect(try book.job(run, "staging").status == .succeeded)
        #expect(try book.status(run) == .cancelled)
        #expect(try book.job(run, "production").reason == "cancelled by ann")
        let second = try book.push(2)
        let build = try book.take(second, "build").job
        _ = try book.ledger.cancel(run: second, by: "ann", reason: "no")
        try book.ledger.end(build, as: Ending(.failed, "killed", duration: .zero))
        #expect(try book.status(second) == .failed)
    }

    @Test func `a hold that ends by its own time leaves the one of a rollback behind`() throws {
        let book = try Book()
        for number in 1...2 {
            let run = try book.ship(number)
            try promote(book, run)
            try book.deploy(run, "production")
        }
        let good = try #require(try book.ledger.environment("blog", "production").previous)
        let back = try book.ledger.rollBack(to: good, by: "ann", reason: nil, policy: book.policy)
        try book.deploy(back, "production")
        let past = Timestamp(milliseconds: Timestamp.now.milliseconds - 1)
        try book.ledger.hold(
            "blog", "production", Hold(kind: .hold, reason: "sale", by: "ann", since: past, until: past))
        try book.ledger.liftHoldsThatAreOver()
        #expect(try book.ledger.environment("blog", "production").hold?.kind == .rollback)
        #expect(try book.ledger.unhold("blog", "production", by: "ann"))
        #expect(try book.ledger.environment("blog", "production").hold == nil)
    }

    // MARK: By the commands

    @Test func `an emergency reaches the first environment too, by the run that waits there`() async throws {
        let month = (Calendar(identifier: .gregorian).component(.month, from: Date()) + 1) % 12 + 1
        let world = try await World(
            environments: """
                environments:
                  - name: staging
                    targets: [@TARGETS@/staging]
                    window: {cron: "* * * \(month) *", zone: UTC}
                """)
        let person = User.person([:])
        try world.setPolicy(
            environments: """
                environments:
                  - name: staging
                    targets: [@TARGETS@/staging]
                    window: {cron: "* * * \(month) *", zone: UTC}
                """, extra: "allow: {emergency: [\(person)], pause: [nobody], mark: [nobody]}")
        let revision = try await world.ship().revision
        let words = ["promote", revision, "--to", "staging"]
        let plain = try world.must(await world.run(["\(World.programs)/shipit"] + words, in: world.path))
        #expect(plain.stderr.contains("run 1 waits: staging, for the window"), "\(plain.stderr)")
        try world.must(
            await world.run(
                ["\(World.programs)/shipit"] + words + ["--emergency", "--reason", "down"], in: world.path))
        #expect(world.read("\(world.staging)/current/index.html") == "one\n")
        #expect(try await world.runs().count == 1)
        for list in ["runs", "revisions", "status", "stats"] {
            #expect(await world.shipit(list).stdout.contains("EMERGENCY"), "in every list: \(list)")
        }
        #expect(try await world.revisions("staging").first?["emergency"] as? Bool == true)
        for command in [["pause", "--reason", "x"], ["resume"], ["mark", "irreversible", "staging", "--reason", "x"]] {
            let refused = await world.run(["\(World.programs)/shipit"] + command, in: world.path)
            #expect(refused.status == 69 && refused.stderr.contains("\(person) may not"), "\(refused.stderr)")
        }
        for command in [["pause", "--reason", " "], ["hold", "staging", "--reason", ""]] {
            let refused = await world.run(["\(World.programs)/shipit"] + command, in: world.path)
            #expect(refused.status == 64 && refused.stderr.contains("--reason wants some words"), "\(refused.stderr)")
        }
    }

    @Test func `whoever pushes behind a run that waits for a person need not wait for that person`() async throws {
        let world = try await World()
        try world.setPolicy(extra: "supersede_waiting: false")
        _ = try await world.ship()
        let pushed = try await world.ship(["index.html": "two\n"])
        #expect(
            pushed.result.stderr.contains("shipit:   for run 1, which is before it; shipit show 1"),
            "\(pushed.result.stderr)")
        try world.must(await world.shipit("reject", "1"))
        try await world.settled()
        #expect(await world.shipit("show", "2").stdout.contains("for promotion; shipit promote"))
    }

    @Test func `a plan can be looked at whatever stands in its way`() async throws {
        let world = try await World()
        _ = try await world.ship()
        try world.must(await world.shipit("hold", "production", "--reason", "sale"))
        let plan = try world.must(await world.shipit("plan")).stdout
        #expect(plan.contains("  run 1 waits\n    production is held by"), "\(plan)")
        #expect(await world.shipit("promote").status == 75)
        #expect(await world.shipit("plan", "--run", "9").stderr.contains("there is no run 9"))
    }

    @Test func `a plan shows how the policy changed from top to bottom, without comments`() async throws {
        let world = try await World()
        _ = try await world.ship()
        try world.must(await world.shipit("promote"))
        _ = try await world.ship(["index.html": "two\n"])
        try world.setPolicy(extra: "# why\n\n  # not\nmode: queued\npush: detach")
        let changed = try world.must(await world.shipit("plan"))
        #expect(
            changed.stdout.contains("  the policy has changed since (2):\n    + mode: queued\n    + push: detach\n"),
            "\(changed.stdout)")
        #expect(changed.stderr.hasPrefix("next: shipit promote ") && !changed.stdout.contains("run 2 waits"))
        try world.setPolicy(extra: "# why")
        #expect(try world.must(await world.shipit("plan")).stdout.contains("    ~ comments and blank lines alone\n"))
    }

    @Test func `status names the whole command for what waits, and the newest run when it failed`() async throws {
        let world = try await World()
        let good = try await world.ship().revision.prefix(7)
        let waits = await world.shipit("status").stdout
        #expect(
            waits.hasSuffix(
                "run 1 \(good): production waiting: for promotion; shipit promote \(good) --to production\n"))
        _ = try await world.ship(["buildspec.yml": "version: 0.2\nphases:\n  build:\n    commands: [\"false\"]\n"])
        let failed = await world.shipit("status").stdout
        #expect(failed.contains(": build failed; shipit log 2, shipit retry 2\n"), "\(failed)")
        let early = await world.shipit("retry", "1")
        #expect(early.status == 69 && early.stderr.hasPrefix("error: run 1 is not over, so there is nothing to retry"))
    }

    @Test func `one key approves once, by whatever name, and its signature does not count again after a no`()
        async throws
    {
        let world = try await World()
        let made = await world.run(
            ["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "\(world.path)/key"], in: world.path)
        try #require(made.status == 0, "\(made.stderr)")
        let key = try #require(world.read("\(world.path)/key.pub"))
        try world.write("ann,ben \(key)", to: "\(world.path)/signers")
        try world.setPolicy(
            environments: """
                environments:
                  - name: staging
                    targets: [@TARGETS@/staging]
                  - name: production
                    promotion: automatic
                    approvals: {needed: 2, signers: \(world.path)/signers}
                    targets: [@TARGETS@/production]
                """)
        _ = try await world.ship()
        try world.write(
            try world.must(await world.shipit("plan", "--run", "1", "--statement")).stdout, to: "\(world.path)/plan")
        let signed = await world.run(
            [
                "/usr/bin/ssh-keygen", "-q", "-Y", "sign", "-n", "shipit", "-f", "\(world.path)/key",
                "\(world.path)/plan",
            ], in: world.path)
        try #require(signed.status == 0, "\(signed.stderr)")
        func approve(_ person: String) async -> World.Result {
            await world.shipit("approve", "1", "--signature", "\(world.path)/plan.sig", "--as", person)
        }
        try world.must(await approve("ann"))
        let second = await approve("ben")
        #expect(second.status == 69 && second.stderr.contains("approved already, as ann"), "\(second.stderr)")
        try world.must(await world.shipit("reject", "1", "--reason", "no"))
        try world.must(await world.shipit("retry", "1", "--detach"))
        let replayed = await approve("ann")
        #expect(replayed.status == 69 && replayed.stderr.contains("the signature is not ann's"), "\(replayed.stderr)")
    }
}
