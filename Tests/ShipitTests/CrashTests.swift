import Foundation
import GRDB
import Glibc
import Synchronization
import Testing

@testable import Shipit

/// Opens `current` again and again and reads two files through it: they must be of one generation, and never missing.
private final class Reader: Sendable {
    private let state = Mutex<(isDone: Bool, looks: Int, torn: [String])>((false, 0, []))

    init(_ target: String) {
        Thread.detachNewThread { [self] in
            while !state.withLock({ $0.isDone }) {
                let folder = open("\(target)/current", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                let seen = folder < 0 ? ["no current"] : ["a.txt", "b.txt"].map { Self.read($0, in: folder) }
                if folder >= 0 { close(folder) }
                state.withLock { state in
                    state.looks += 1
                    if Set(seen).count != 1 || !["one\n", "two\n"].contains(seen[0]) { state.torn.append("\(seen)") }
                }
                usleep(1000)
            }
        }
    }

    private static func read(_ name: String, in folder: Int32) -> String {
        let file = openat(folder, name, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "no \(name)" }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 64)
        return String(decoding: buffer[..<max(0, Glibc.read(file, &buffer, 64))], as: UTF8.self)
    }

    /// What was seen that must not be.
    func stop() -> [String] {
        state.withLock { state in
            state.isDone = true
            return state.looks == 0 ? ["nothing was looked at"] : state.torn
        }
    }
}

extension World {
    /// A world that serves `one` on staging and production and has `two` pushed, with nobody at work.
    fileprivate static func poised() async throws -> World {
        let world = try await World(
            environments: """
                environments:
                  - name: staging
                    targets: [@TARGETS@/staging]
                    keep: 0
                  - name: production
                    targets: [@TARGETS@/production]
                    keep: 0
                """)
        // As where systemd watches: the hook starts no worker, the test does.
        try world.write("", to: "\(world.home)/systemd")
        let fails = "[ ! -e \(world.path)/fails ] || [ \"$(cat \"$SHIPIT_RELEASE_DIR/index.html\")\" = one ]"
        let spec = "version: 0.2\nphases: {build: {commands: ['cp index.html a.txt && cp index.html b.txt']}}\n"
        try await world.commit(world.hooks(["ValidateService": fails]).merging(["buildspec.yml": spec]) { $1 })
        await world.push("-o", "detach", "main")
        try world.must(await world.shipit("work"))
        try await world.promote()
        try world.must(await world.shipit("work"))
        // Something for retention to remove.
        for target in [world.staging, world.production] { mkdir("\(target)/releases/77-abcdef0", 0o755) }
        try await world.commit(["index.html": "two\n"])
        await world.push("-o", "detach", "main")
        return world
    }

    /// As `shipit promote`, but without starting a worker.
    fileprivate func promote() async throws {
        let installation = try installation()
        let app = try installation.app("blog")
        let promotion = try Promotion.choose(installation, app, revision: nil, to: nil)
        _ = try promotion.perform(installation, app, reason: nil)
    }

    /// Nothing lost, nothing doubled, and ledger and disk agree.
    fileprivate func expectTwoEverywhere(_ interrupted: String, isTidy: Bool) async throws {
        let comment = Comment(rawValue: interrupted)
        // A worker that a command started may be the one that works.
        try await settled()
        for target in [staging, production] {
            #expect(current(target, "a.txt") == "two\n", comment)
            #expect(releases(target).filter { isTidy || !$0.hasPrefix("77-") }.count == 2, comment)
            #expect(
                names(in: "\(target)/.shipit").filter { ["incoming", "mapped"].contains($0) || $0.hasPrefix("trash") }
                    .isEmpty, comment)
        }
        if isTidy {
            for environment in ["staging", "production"] {
                let shown = try await git(in: repository, "rev-parse", "refs/shipit/blog/\(environment)")
                #expect(shown == (try await git("rev-parse", "HEAD")), comment)
            }
        }
        let runs = try await runs()
        #expect(runs.map { $0["status"] as? String } == ["succeeded", "succeeded"], comment)
        for environment in ["staging", "production"] {
            let revisions = try await revisions(environment)
            #expect(
                revisions.count == 2 && revisions[0]["live"] as? Bool == true
                    && revisions[0]["outcome"] as? String == "succeeded", comment)
        }
        #expect(try await live("staging") == (try await git("rev-parse", "HEAD")), comment)
        #expect(names(in: "\(home)/spool").filter { $0.hasSuffix(".push") }.isEmpty, comment)
        #expect(names(in: "\(home)/work").isEmpty, comment)
        #expect(names(in: "\(home)/artifacts/blog").filter { $0.hasPrefix(".") }.isEmpty, comment)
        let installation = try installation()
        #expect(try installation.ledger.integrityProblems() == [], comment)
        #expect(try installation.ledger.openJobs().isEmpty, comment)
    }
}

@Suite struct CrashTests {
    private static let inRecovery: Set<Failpoint> = [.putBackBegan, .putBackSwitched, .recoveryBegan]

    @Test(arguments: Failpoint.allCases.filter { !Failpoint.ofKeeping.union(Failpoint.ofInstalling).contains($0) })
    func `a worker that is killed at any step loses nothing, doubles nothing and tears nothing`(failpoint: Failpoint)
        async throws
    {
        let world = try await World.poised()
        let readers = [Reader(world.staging), Reader(world.production)]
        let failing = ["SHIPIT_FAILPOINT": "\(failpoint.rawValue):kill"]
        if Self.inRecovery.contains(failpoint) {
            let first = await world.shipit("work", environment: ["SHIPIT_FAILPOINT": "deploy-started:kill"])
            #expect(first.status == 128 + SIGKILL)
        }
        #expect(await world.shipit("work", environment: failing).status == 128 + SIGKILL, "it was reached")
        let recovery = await world.shipit("work")
        #expect(recovery.status == 0, "\(recovery.stderr)")
        try await world.promote()
        try world.must(await world.shipit("work"))
        for reader in readers { #expect(reader.stop() == []) }
        try await world.expectTwoEverywhere(failpoint.rawValue, isTidy: true)
    }

    @Test(arguments: Failpoint.allCases.filter { !Failpoint.ofKeeping.union(Failpoint.ofInstalling).contains($0) })
    func `a full disk at any step is said, loses nothing and tears nothing`(failpoint: Failpoint) async throws {
        let world = try await World.poised()
        let readers = [Reader(world.staging), Reader(world.production)]
        let failing = ["SHIPIT_FAILPOINT": "\(failpoint.rawValue):error=ENOSPC"]
        if Self.inRecovery.contains(failpoint) {
            #expect(
                await world.shipit("work", environment: ["SHIPIT_FAILPOINT": "deploy-started:kill"]).status == 128
                    + SIGKILL)
        }
        let worker = world.startShipit("work", environment: failing)
        let words = "could not pass \(failpoint.rawValue): no space left on device"
        try await eventually("\(words) is said") {
            if worker.stderr.contains(words) { return true }
            return try world.installation().ledger.runs(app: nil, limit: 1)[0].jobs.contains {
                $0.reason?.contains(words) == true
            }
        }
        // Some go on trying until the disk has room again; the next worker does it where this one was told to stop.
        let isTrying = [.ingestBeforeLedger, .ingestAfterLedger, .deployBeforeFinish].contains(failpoint)
        if isTrying { worker.signal(SIGTERM) }
        _ = await worker.end()
        for reader in readers { #expect(reader.stop() == []) }

        try world.must(await world.shipit("work"))
        let last = try #require(try world.installation().ledger.runs(app: nil, limit: 1).first)
        if last.status == .errored {
            #expect(last.reason?.contains("no space left on device") == true)
            if Self.inRecovery.contains(failpoint) {
                // Putting back failed: a person looks, and the next push brings a complete release.
                #expect(last.reason?.contains("shipit rollback staging") == true, "\(last.reason ?? "")")
                return
            }
            #expect(world.current(nil, "a.txt") == "one\n")
            let retry = await world.shipit("retry")
            #expect(retry.status == 0, "\(retry.stderr)")
        }
        try await world.promote()
        try world.must(await world.shipit("work"))
        // A worker that lives on tidies up with its next deployment.
        try await world.expectTwoEverywhere(
            failpoint.rawValue, isTidy: failpoint != .deployAfterFinish && failpoint != .retentionBeforeRemove)
    }

    @Test(arguments: [Failpoint.deployStopped, .deployAfterSwitch, .deployStarted, .putBackBegan, .putBackSwitched])
    func `killed while a failed deployment is put back, the old release is live again`(failpoint: Failpoint)
        async throws
    {
        let world = try await World.poised()
        try world.write("", to: "\(world.path)/fails")
        let reader = Reader(world.staging)
        #expect(
            await world.shipit("work", environment: ["SHIPIT_FAILPOINT": "\(failpoint.rawValue):kill"]).status == 128
                + SIGKILL)
        try world.must(await world.shipit("work"))
        #expect(reader.stop() == [])
        #expect(world.current() == "one\n")
        let run = try #require(try await world.runs().first)
        #expect(run["status"] as? String == "failed")
        #expect((run["reason"] as? String)?.contains("; staging stays at") == true)
        #expect(world.trace.hasSuffix("ApplicationStart one\n"), "\(world.trace)")
        #expect(world.releases().contains { $0.hasPrefix("1-") } && !world.releases().contains { $0.hasPrefix("2-") })
    }

    @Test func `a deployment whose worker dies each time is errored after the third, with the old release live`()
        async throws
    {
        let world = try await World.poised()
        for _ in 1...3 {
            #expect(
                await world.shipit("work", environment: ["SHIPIT_FAILPOINT": "deploy-validated:kill"]).status == 128
                    + SIGKILL)
        }
        try world.must(await world.shipit("work"))
        let run = try #require(try await world.runs().first)
        #expect(run["status"] as? String == "errored" && run["reason"] as? String == "the worker died 3 times")
        #expect(world.current() == "one\n")
        #expect(world.trace.hasSuffix("ApplicationStart one\n"))
        #expect(await world.shipit("retry").status == 0)
        #expect(world.current() == "two\n")
        try await world.settled()
    }

    @Test func `a worker that stands still is killed by the next one, and one switch happens`() async throws {
        let world = try await World.poised()
        let stuck = world.startShipit("work", environment: ["SHIPIT_FAILPOINT": "deploy-before-switch:stop"])
        try await eventually("it stands still") {
            world.read("/proc/\(stuck.pid)/stat")?.contains(") T ") == true
        }
        // While its beat is young, nobody takes over.
        try world.must(await world.shipit("work"))
        #expect(kill(stuck.pid, 0) == 0 && world.current() == "one\n")
        try world.installation().ledger.write { try $0.execute(sql: "UPDATE worker SET beat = beat - 61000") }
        try world.must(await world.shipit("work"))
        #expect(await stuck.end().status == 128 + SIGKILL)
        #expect(world.current() == "two\n")
        let log = world.log(2)
        #expect(log.components(separatedBy: "/current -> releases/2-").count == 2, "\(log)")
        #expect(try await world.status(of: 2) == "waiting")
    }

    @Test func `a worker that is told to stop lets a deployment end and a build begin again`() async throws {
        let world = try await World(extra: "build: {sandbox: off}")
        try world.write("", to: "\(world.home)/systemd")
        try await world.commit([
            "buildspec.yml":
                "version: 0.2\nphases: {build: {commands: ['touch \(world.path)/work-begun || true; while [ ! -e \(world.path)/go ]; do sleep 0.02; done']}}"
        ])
        await world.push("-o", "detach", "main")
        let worker = world.startShipit("work")
        try await eventually("the build runs") { world.log(1, "build").contains("$ touch") }
        worker.signal(SIGTERM)
        #expect(await worker.end().status == 0)
        #expect(try await world.status(of: 1) == "queued")
        try world.write("", to: "\(world.path)/go")
        try world.must(await world.shipit("work"))
        #expect(try await world.status(of: 1) == "waiting")
        try await world.settled()
    }
}
