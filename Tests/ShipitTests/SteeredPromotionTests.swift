import Foundation
import Testing

@testable import Shipit

/// Promotion with everything that can stand in its way, by the commands that people type.
@Suite struct SteeredPromotionTests {
    private func environments(_ conditions: String) -> String {
        """
        environments:
          - name: staging
            targets: [@TARGETS@/staging]
          - name: production
            targets: [@TARGETS@/production]
            \(conditions)
        """
    }

    /// Another account of this machine, as sudo names it.
    private static let others: [(name: String, sudo: [String: String])] = ["daemon", "bin", "sys"].compactMap { name in
        User.named(name).map { (name, ["SUDO_UID": "\($0.uid)"]) }
    }

    private func digest(_ plan: World.Result) throws -> String {
        let line = try #require(plan.stdout.split(separator: "\n").first { $0.hasPrefix("  plan: ") })
        return String(line.dropFirst("  plan: ".count))
    }

    @Test(.enabled(if: getuid() == 0))
    func `two people approve exactly one plan, and then it goes`() async throws {
        let (ann, ben) = (Self.others[0], Self.others[1])
        let world = try await World(
            environments: environments("promotion: automatic\n    approvals: 2"))
        let pushed = try await world.ship()
        #expect(
            pushed.result.stderr.contains(
                "waits: production, for 2 approvals; shipit plan --run 1, then shipit approve 1"))
        let plan = try digest(try world.must(await world.shipit("plan", "--run", "1")))
        let wrong = await world.shipit("approve", "--plan", "0123456789")
        #expect(wrong.status == 75 && wrong.stderr.contains("the plan is \(plan) by now, not 0123456789"))
        let first = try world.must(await world.shipit("approve", "--plan", plan, environment: ann.sudo))
        #expect(first.stderr.contains("run 1 waits: production, for 1 more approval (\(ann.name) said yes)"))
        // The same person again is no second one.
        let again = try world.must(await world.shipit("approve", environment: ann.sudo))
        #expect(again.stderr.contains("for 1 more approval"))
        #expect(world.read("\(world.production)/current/index.html") == nil)
        try world.must(await world.shipit("approve", "1", "--reason", "looks right", environment: ben.sudo))
        try await world.settled()
        #expect(world.read("\(world.production)/current/index.html") == "one\n")
        let records = try Ledger(at: "\(world.home)/ledger.sqlite").approvals(
            of: try #require(try Ledger(at: "\(world.home)/ledger.sqlite").run(1)?.jobs.last?.id))
        #expect(records.map(\.by) == [ann.name, ann.name, ben.name])
        #expect(records.map { $0.usedBy != nil } == [false, true, true])
        #expect(await world.shipit("approve", "1").status == 69)
    }

    @Test(.enabled(if: getuid() == 0))
    func `an approval is void once the policy or what is live is another one, and the run says why`() async throws {
        let (ann, ben) = (Self.others[0], Self.others[1])
        let conditions = "promotion: automatic\n    approvals: {needed: 2, expires: 2h}"
        let world = try await World(environments: environments(conditions))
        _ = try await world.ship()
        try world.must(await world.shipit("approve", environment: ann.sudo))
        try world.setPolicy(environments: environments(conditions) + "\n    keep: 3")
        let second = try world.must(await world.shipit("approve", environment: ben.sudo))
        #expect(second.stderr.contains("for 1 more approval (\(ben.name) said yes)"))
        let shown = await world.shipit("show", "1").stdout
        #expect(shown.contains("production: the approval of \(ann.name) is void: the policy changed"), "\(shown)")
        #expect(world.read("\(world.production)/current/index.html") == nil)
    }

    @Test(.enabled(if: getuid() == 0))
    func `an author never approves alone where the policy says so, and others than those it names not at all`()
        async throws
    {
        let (ann, ben, cyd) = (Self.others[0], Self.others[1], Self.others[2])
        let world = try await World(
            environments: environments(
                "promotion: automatic\n    approvals: {needed: 1, never_author_alone: yes, by: [\(ann.name), \(ben.name)]}"
            ))
        try world.write("two\n", to: "\(world.clone)/index.html")
        try await world.git("commit", "-qam", "Two", "--author", "Ann <\(ann.name)@example.org>")
        _ = await world.push("main")
        let stranger = await world.shipit("approve", environment: cyd.sudo)
        #expect(stranger.status == 69 && stranger.stderr.contains("\(cyd.name) may not approve for production"))
        let author = try world.must(await world.shipit("approve", environment: ann.sudo))
        #expect(author.stderr.contains("for an approval by somebody else than its author (\(ann.name) said yes)"))
        try world.must(await world.shipit("approve", environment: ben.sudo))
        try await world.settled()
        #expect(world.read("\(world.production)/current/index.html") == "two\n")
    }

    @Test func `signed approvals count when the key is one of the allowed signers, and for this plan only`()
        async throws
    {
        let world = try await World(environments: environments("promotion: automatic"))
        try await world.git(in: world.path, "--version")
        for name in ["ann", "eve"] {
            let made = await world.run(
                ["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", "\(world.path)/\(name)"],
                in: world.path)
            try #require(made.status == 0, "\(made.stderr)")
        }
        let key = try #require(world.read("\(world.path)/ann.pub"))
        try world.write("ann@example.org \(key)", to: "\(world.path)/signers")
        try world.setPolicy(
            environments: environments(
                "promotion: automatic\n    approvals: {needed: 1, signers: \(world.path)/signers}"))
        _ = try await world.ship()
        let unsigned = await world.shipit("approve")
        #expect(unsigned.status == 69 && unsigned.stderr.contains("approvals for production must be signed"))
        let statement = try world.must(await world.shipit("plan", "--run", "1", "--statement")).stdout
        #expect(statement.hasPrefix("shipit plan 1\napp: blog\nenvironment: production\n"))
        func sign(_ text: String, with key: String) async throws {
            try world.write(text, to: "\(world.path)/plan")
            unlink("\(world.path)/plan.sig")
            let signed = await world.run(
                [
                    "/usr/bin/ssh-keygen", "-q", "-Y", "sign", "-n", "shipit", "-f", "\(world.path)/\(key)",
                    "\(world.path)/plan",
                ],
                in: world.path)
            try #require(signed.status == 0, "\(signed.stderr)")
        }
        try await sign(statement, with: "eve")
        let words = ["approve", "1", "--signature", "\(world.path)/plan.sig", "--as", "ann@example.org"]
        let forged = await world.run(["\(World.programs)/shipit"] + words, in: world.path)
        #expect(forged.status == 69 && forged.stderr.contains("the signature is not ann@example.org's of this plan"))
        try await sign(statement + "more\n", with: "ann")
        let other = await world.run(["\(World.programs)/shipit"] + words, in: world.path)
        #expect(other.status == 69)
        try await sign(statement, with: "ann")
        try world.must(await world.run(["\(World.programs)/shipit"] + words, in: world.path))
        try await world.settled()
        #expect(world.read("\(world.production)/current/index.html") == "one\n")
        let sound = await world.shipit("fsck")
        #expect(sound.status == 0 && sound.text.contains("1 signed approval looked at"), "\(sound.text)")
        // Offline, and by the file as it is today.
        try world.write("ben@example.org \(key)", to: "\(world.path)/signers")
        let unsound = await world.shipit("fsck")
        #expect(unsound.status == 1, "\(unsound.text)")
        #expect(unsound.text.contains("approval of run 1 for production by ann@example.org"), "\(unsound.text)")
    }

    @Test func `a closed window keeps a promotion waiting, and says when it opens`() async throws {
        // The month after next is never now.
        let month = (Calendar(identifier: .gregorian).component(.month, from: Date()) + 1) % 12 + 1
        let world = try await World(
            environments: environments("window: {cron: \"* * * \(month) *\", zone: UTC}"))
        _ = try await world.ship()
        let promoted = try world.must(await world.shipit("promote"))
        #expect(
            promoted.stderr.contains("waits: production, for the window of production, which opens 20"),
            "\(promoted.stderr)")
        let again = await world.shipit("promote")
        #expect(again.status == 69 && again.stderr.contains("was promoted by"), "\(again.stderr)")
        let status = await world.shipit("status").stdout
        #expect(status.contains("--emergency --reason TEXT"), "\(status)")
        #expect(world.read("\(world.production)/current/index.html") == nil)
        try world.must(await world.shipit("reject", "1", "--reason", "not in winter"))
        #expect(await world.shipit("show", "1").stdout.contains("not in winter"))
    }

    @Test func `while everything is paused nothing begins, and afterwards all of it goes on`() async throws {
        let world = try await World()
        try world.must(await world.shipit("pause", "--reason", "a new kernel"))
        let pushed = try await world.ship()
        #expect(pushed.result.stderr.contains("everything is paused by"), "\(pushed.result.stderr)")
        #expect(pushed.result.stderr.contains("shipit resume"))
        #expect(await world.shipit("pause", "--reason", "again").status == 69)
        #expect(await world.shipit("status").stdout.hasPrefix("everything is paused by"))
        try world.must(await world.shipit("resume"))
        try await world.settled()
        #expect(world.read("\(world.staging)/current/index.html") == "one\n")
        #expect(await world.shipit("resume").status == 69)
    }

    @Test func `a soak is counted from the first time, and the oldest that soaks is not superseded`() throws {
        let book = try Book(promotion: "automatic", extra: "")
        _ = book
        let policy = """
            app: blog
            repository: /srv/blog.git
            environments:
              - name: staging
                targets: [/srv/blog/staging]
              - name: production
                promotion: automatic
                soak: 1h
                targets: [/srv/blog/production]
            """
        let pipeline = try Pipeline.parse(Array(policy.utf8), file: "pipeline.yml").pipeline
        var steering = Steering(pipeline: pipeline, policy: "p", steps: [], places: [:], pause: nil)
        func time(_ minutes: Int64) -> Timestamp { Timestamp(milliseconds: 1_000_000_000_000 + minutes * 60_000) }
        func ship(_ run: Int64, at minute: Int64) {
            let origin = Steering.Origin(kind: .push, revision: Book.revision(Int(run)), by: "ann")
            _ = steering.decide(.arrived(run: run, origin), at: time(minute))
            _ = steering.decide(.built(.init(run: run, position: 0), artifact: run, content: "c"), at: time(minute))
            _ = steering.decide(.begun(.init(run: run, position: 1)), at: time(minute))
            _ = steering.decide(.deployed(.init(run: run, position: 1), deployment: run, from: nil), at: time(minute))
        }
        ship(1, at: 0)
        ship(2, at: 20)
        ship(3, at: 40)
        #expect(steering.steps.map(\.key.run) == [1, 3])
        #expect(steering.steps.map(\.wakesAt) == [time(60), time(100)])
        #expect(steering.decide(.looked, at: time(60)) == [.queue(.init(run: 1, position: 2))])
    }

    @Test func `builds of the mode parallel go side by side, and live in the order of the runs`() throws {
        let book = try Book(mode: "parallel")
        let (first, second) = (try book.push(1), try book.push(2))
        let jobs = try book.ledger.openJobs()
        var schedule = Schedule()
        #expect(schedule.next(jobs).map(\.run) == [first])
        schedule.parallel = ["blog": 4]
        #expect(schedule.next(jobs).map(\.run) == [first, second])
        let building = try book.take(first, "build").job
        try book.build(second)
        #expect(try book.job(second, "staging").waits == .turn)
        #expect(try book.job(second, "staging").reason == "for run \(first), which is before it; shipit show \(first)")
        try book.ledger.end(building, as: Ending(.failed, "no", duration: .zero))
        #expect(try book.job(second, "staging").status == .queued)
    }

    @Test func `with supersede_waiting: false the newer run waits behind the one that waits for a person`() throws {
        let book = try Book(extra: "supersede_waiting: false")
        let (first, second) = (try book.ship(1), try book.ship(2))
        #expect(try book.job(first, "production").waits == .promotion)
        #expect(try book.job(second, "production").waits == .turn)
        let third = try book.ship(3)
        #expect(try book.status(second) == .superseded)
        _ = try book.ledger.cancel(run: first, by: "ann", reason: "no")
        #expect(try book.job(third, "production").waits == .promotion)
    }

    @Test func `a build that fails is tried again by itself as often as the policy says`() throws {
        let book = try Book(extra: "build: {retry: 1}")
        let run = try book.push(1)
        try book.ledger.end(try book.take(run, "build").job, as: Ending(.failed, "no", duration: .zero))
        #expect(try book.job(run, "build").status == .queued && book.job(run, "build").retries == 1)
        try book.ledger.end(try book.take(run, "build").job, as: Ending(.failed, "no", duration: .zero))
        #expect(try book.job(run, "build").status == .failed)
    }

    @Test func `what goes next goes before others of its kind`() throws {
        let book = try Book(mode: "queued")
        let first = try book.push(1)
        let started = try book.ledger.start(
            "blog", Book.revision(2), rebuild: false, by: "ann", policy: book.policy, isNext: true)
        #expect(Schedule().next(try book.ledger.openJobs()).map(\.run) == [started])
        _ = first
    }
}
