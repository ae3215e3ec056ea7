import Foundation
import Glibc
import Testing

@testable import Shipit

@Suite struct SteeringTests {
    private static let waiting = "build: {sandbox: off}"

    private func slow(_ world: World) -> [String: String] {
        [
            "buildspec.yml":
                "version: 0.2\nphases: {build: {commands: ['while [ ! -e \(world.path)/go ]; do sleep 0.02; done']}}\n"
        ]
    }

    @Test func `a build is cancelled, and nothing of it stays`() async throws {
        let world = try await World(extra: Self.waiting)
        try await world.commit(slow(world))
        let pusher = world.start(["/usr/bin/git", "push", "-q", "origin", "main"], in: world.clone)
        try await eventually("the build runs") { world.log(1, "build").contains("$ while") }
        let cancel = await world.shipit("cancel")
        #expect(cancel.status == 0 && !cancel.stderr.contains("error:"), "\(cancel.stderr)")
        let push = await pusher.end()
        #expect(push.stderr.contains("error: run 1 cancelled: build: cancelled by "), "\(push.stderr)")
        #expect(await world.shipit("cancel", "1").stderr == "error: run 1 is over: cancelled\n  hint: shipit runs\n")
        try await world.settled()
        #expect(world.names(in: "\(world.home)/work").isEmpty)
        try world.write("", to: "\(world.path)/go")
        #expect(await world.shipit("retry").status == 0)
        try await world.settled()
    }

    @Test func `a running deployment is put back when it is cancelled`() async throws {
        let world = try await World()
        let first = try await world.ship(world.hooks()).revision
        try await world.commit([
            "index.html": "two\n", "hooks/ValidateService": "#!/bin/sh\ntouch \(world.path)/begun\nsleep 300\n",
        ])
        await world.push("-o", "detach", "main")
        try await eventually("the script runs") { world.exists("\(world.path)/begun") }
        #expect(world.current() == "two\n")
        let cancel = await world.shipit("cancel", "2")
        #expect(cancel.status == 0, "\(cancel.stderr)")
        #expect(world.current() == "one\n" && world.releases().count == 1)
        #expect(world.trace.hasSuffix("ApplicationStart one\n"))
        let run = try #require(try await world.runs().first)
        #expect(run["status"] as? String == "cancelled")
        #expect((run["reason"] as? String)?.hasSuffix("; staging stays at \(first.prefix(7))") == true)
        try await world.settled()
    }

    @Test func `a rollback while a deployment runs stops that one, marks it bad and leaves what is live`() async throws
    {
        let world = try await World()
        try await world.ship(world.hooks())
        try await world.ship(["index.html": "two\n"])
        try await world.commit([
            "index.html": "three\n", "hooks/ValidateService": "#!/bin/sh\ntouch \(world.path)/begun\nsleep 300\n",
        ])
        await world.push("-o", "detach", "main")
        try await eventually("the script runs") { world.exists("\(world.path)/begun") }
        let two = try await world.git("rev-parse", "--short=7", "HEAD~1"),
            three = try await world.git("rev-parse", "HEAD")
        let rollback = await world.shipit("rollback", "staging", "--reason", "prices")
        #expect(rollback.status == 0, "\(rollback.stderr)")
        #expect(
            rollback.stderr.hasPrefix(
                "staging: run 3 is deploying \(three.prefix(7)); it is stopped and marked bad, and staging stays at \(two)\n"
            ))
        #expect(rollback.stderr.hasSuffix("staging stays at \(two); shipit rollback staging again goes further back\n"))
        #expect(world.current() == "two\n")
        #expect(try await world.status(of: 3) == "cancelled")
        let rows = try await world.revisions("staging")
        #expect(rows.first?["bad"] as? Bool == true && rows.first?["bad_reason"] as? String == "prices", "\(rows)")
        #expect(await world.shipit("status").stdout.contains("no automatic promotion"))
        #expect(await world.shipit("rollback", "staging").status == 0)
        #expect(world.current() == "one\n")
        try await world.settled()
    }

    @Test func `a held environment refuses promotions and lets pushes wait`() async throws {
        let world = try await World()
        await world.push()
        #expect(await world.shipit("hold", "production", "--reason", "the sale").status == 0)
        let refused = await world.shipit("promote")
        #expect(refused.status == 75)
        #expect(refused.stderr.contains("error: production is held by ") && refused.stderr.contains(": the sale\n"))
        #expect(refused.stderr.hasSuffix("  hint: shipit unhold production lifts the hold\n"))
        #expect(await world.shipit("rollback", "production").status == 75)
        #expect(await world.shipit("hold", "staging", "--reason", "load test", "--until", "2h").status == 0)
        let revision = try await world.commit(["index.html": "two\n"])
        let push = await world.push()
        #expect(push.stderr.contains("run 2 waits: staging, staging is held by "), "\(push.stderr)")
        #expect(push.stderr.contains(": load test"))
        #expect(world.current() == "one\n")
        let status = await world.shipit("status")
        #expect(status.stdout.contains("staging: held until ") && status.stdout.contains("shipit unhold staging"))
        #expect(await world.shipit("unhold", "staging").status == 0)
        try await eventually("staging is live") { world.current() == "two\n" }
        try await world.settled()
        #expect(try await world.live() == revision)
        #expect(await world.shipit("unhold", "staging").status == 69)
        for time in ["yesterday", "2001-01-01", "-1h"] {
            #expect(await world.shipit("hold", "staging", "--reason", "x", "--until=\(time)").status == 64)
        }
        #expect(await world.shipit("hold", "staging").status == 64, "a reason is needed")
    }

    @Test func `a hold that ends by itself lets the push go`() async throws {
        let world = try await World()
        #expect(await world.shipit("hold", "staging", "--reason", "soon", "--until", "1s").status == 0)
        await world.push("-o", "detach", "main")
        try await eventually("staging is live") {
            await world.shipit("status")
            return world.current() == "one\n"
        }
        try await world.settled()
    }

    @Test func `a promotion that waits is rejected, with the reason`() async throws {
        let world = try await World()
        await world.push()
        let rejected = await world.shipit("reject", "--reason", "wrong prices")
        #expect(rejected.status == 0 && rejected.stderr == "run 1 was rejected\n")
        let run = try #require(try await world.runs().first)
        #expect(run["status"] as? String == "cancelled")
        #expect(
            (run["reason"] as? String)?.hasPrefix("rejected by ") == true
                && (run["reason"] as? String)?.hasSuffix(": wrong prices") == true)
        #expect(await world.shipit("reject").status == 69)
        try await world.settled()
    }

    @Test func `an automatic environment follows, and not after a rollback`() async throws {
        let world = try await World(
            environments: World.twoEnvironments.replacing(
                "name: production", with: "name: production\n    promotion: automatic"))
        try await world.ship()
        #expect(world.current(world.production) == "one\n")
        try await world.ship(["index.html": "two\n"])
        #expect(world.current(world.production) == "two\n")
        #expect(await world.shipit("rollback").status == 0)
        #expect(world.current(world.production) == "one\n")
        let third = try await world.ship(["index.html": "three\n"]).result
        #expect(
            third.stderr.contains("production was rolled back; shipit promote, or shipit unhold production"),
            "\(third.stderr)")
        #expect(world.current(world.production) == "one\n" && world.current() == "three\n")
        #expect(await world.shipit("promote").status == 0)
        #expect(world.current(world.production) == "three\n")
        try await world.settled()
    }

    @Test func `a revision that was rolled back is promoted only by its name`() async throws {
        let world = try await World()
        try await world.ship()
        #expect(await world.shipit("promote").status == 0)
        let second = try await world.ship(["index.html": "two\n"]).revision
        #expect(await world.shipit("promote").status == 0)
        #expect(await world.shipit("rollback", "production").status == 0)
        let refused = await world.shipit("promote")
        #expect(refused.status == 69)
        #expect(
            refused.stderr == """
                error: \(second.prefix(7)) was rolled back in production and is marked bad
                  hint: if it is meant: shipit promote \(second.prefix(7))

                """)
        #expect(await world.shipit("promote", second).status == 0)
        #expect(world.current(world.production) == "two\n")
        try await world.settled()
    }

    @Test func `what never was live on staging is not promoted`() async throws {
        let world = try await World()
        await world.push()
        try await world.commit(["index.html": "two\n"])
        try await world.git("push", "-q", "origin", "HEAD:topic")
        let refused = await world.shipit("promote", "topic")
        #expect(
            refused.status == 69 && refused.stderr.contains("was never verified live in staging"), "\(refused.stderr)")
        try await world.settled()
    }
}
