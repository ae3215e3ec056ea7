import Foundation
import Glibc
import Testing

@testable import Shipit

@Suite struct FailedDeploymentTests {
    @Test(arguments: ["ApplicationStop", "BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService"])
    func `a script that fails leaves what was live live, started again, and says so`(event: String) async throws {
        let world = try await World()
        // The stop script of the first release fails once its successor is there; all others fail in the second.
        let stop = "[ ! -e \(world.path)/stop-fails ] || exit 7"
        let first = try await world.ship(world.hooks(["ApplicationStop": stop])).revision
        #expect(world.trace == "BeforeInstall one\nAfterInstall one\nApplicationStart one\nValidateService one\n")
        unlink("\(world.path)/trace")
        var files = world.hooks(event == "ApplicationStop" ? [:] : [event: "exit 7"])
        files["index.html"] = "two\n"
        if event == "ApplicationStop" { try world.write("", to: "\(world.path)/stop-fails") }
        let push = try await world.ship(files).result

        let way =
            event == "ApplicationStop"
            ? "; that script is the live release's; shipit promote \(try await world.git("rev-parse", "HEAD").prefix(7)) --to staging --app blog --ignore-application-stop-failures goes on without it"
            : ""
        let reason = "\(event): hooks/\(event) ended with exit status 7\(way); staging stays at \(first.prefix(7))"
        #expect(push.stderr.contains("shipit: error: run 2 failed: staging: \(reason)"), "\(push.stderr)")
        #expect(push.stderr.contains("shipit:   hint: shipit log 2 shows all of it; shipit retry 2 tries again"))
        #expect(world.current() == "one\n")
        #expect(world.releases() == ["1-\(first.prefix(7))"])
        #expect(try await world.live() == first)
        #expect(world.trace.hasSuffix("ApplicationStart one\n"), "\(world.trace)")
        #expect(world.trace.hasPrefix("ApplicationStop one\n"))
        if event == "ValidateService" || event == "ApplicationStart" {
            #expect(world.trace.contains("ApplicationStart two\n") && world.trace.contains("ApplicationStop two\n"))
        }
        try await world.settled()
        let revisions = try await world.revisions("staging")
        #expect(revisions.map { $0["outcome"] as? String } == ["failed", "succeeded"])
        #expect(revisions.map { $0["live"] as? Bool } == [false, true])
        #expect(
            world.names(in: "\(world.staging)/.shipit").filter { $0.hasPrefix("trash") || $0 == "incoming" }.isEmpty)
    }

    @Test func `a health check that does not pass puts the old release back`() async throws {
        let check = #"["sh", "-c", "! grep -q bad $SHIPIT_RELEASE_DIR/index.html"]"#
        let world = try await World(
            environments:
                "environments:\n  - name: staging\n    targets: [@TARGETS@/staging]\n    health: {command: \(check), within: 1s}"
        )
        let first = try await world.ship(world.hooks()).revision
        let push = try await world.ship(["index.html": "bad\n"]).result
        #expect(
            push.stderr.contains(
                "the health check did not pass within 1.0 s: sh ended with exit status 1; staging stays at \(first.prefix(7))"
            ), "\(push.stderr)")
        #expect(world.current() == "one\n")
        #expect(world.trace.hasSuffix("ApplicationStart one\n"))
        try await world.settled()
    }

    @Test func `a health check asks the address of the policy`() async throws {
        let server = try LoopbackServer("HTTP/1.1 500 No\r\n\r\n")
        defer { server.close() }
        let world = try await World(
            environments:
                "environments:\n  - name: staging\n    targets: [@TARGETS@/staging]\n    health: {url: \"http://127.0.0.1:\(server.port)/up\", within: 1s}"
        )
        let push = await world.push()
        #expect(
            push.stderr.contains(
                "the health check did not pass within 1.0 s: the answer was 500; nothing is live in staging"),
            "\(push.stderr)")
        #expect(server.requests.count > 1 && server.requests[0].hasPrefix("GET /up HTTP/1.1"))
        #expect(world.current() == nil && world.releases() == [])
        try await world.settled()
    }

    @Test func `a first deployment that fails leaves nothing live and no release`() async throws {
        let world = try await World()
        let push = try await world.ship(world.hooks(["ValidateService": "exit 1"])).result
        #expect(
            push.stderr.contains(
                "ValidateService: hooks/ValidateService ended with exit status 1; nothing is live in staging"))
        #expect(world.current() == nil && world.releases() == [])
        #expect(await world.shipit("promote").status == 69)
        #expect(await world.shipit("rollback", "staging").status == 69)
        try await world.settled()
    }

    @Test func `with on_failure stop things are left as they are, and the message names the next command`() async throws
    {
        let world = try await World(
            environments: "environments:\n  - name: staging\n    targets: [@TARGETS@/staging]\n    on_failure: stop")
        try await world.ship(world.hooks())
        var files = world.hooks(["ValidateService": "exit 1"])
        files["index.html"] = "two\n"
        let push = try await world.ship(files).result
        #expect(push.stderr.contains("; look at \(world.staging), then shipit rollback staging"), "\(push.stderr)")
        #expect(world.current() == "two\n")
        try await world.settled()
    }

    @Test func `when the second of two targets fails, both are put back`() async throws {
        let world = try await World(
            environments: "environments:\n  - name: staging\n    targets: [@TARGETS@/a, @TARGETS@/b]")
        let (a, b) = ("\(world.targets)/a", "\(world.targets)/b")
        try await world.ship(world.hooks())
        #expect(world.current(a) == "one\n" && world.current(b) == "one\n")
        unlink("\(world.path)/trace")
        var files = world.hooks([
            "ApplicationStart": "[ \"$SHIPIT_TARGET\" != \(b) ] || [ \"$(cat $SHIPIT_RELEASE_DIR/index.html)\" = one ]"
        ])
        files["index.html"] = "two\n"
        let push = try await world.ship(files).result
        #expect(push.stderr.contains("run 2 failed"), "\(push.stderr)")
        #expect(world.current(a) == "one\n" && world.current(b) == "one\n")
        #expect(world.releases(a) == world.releases(b) && world.releases(a).count == 1)
        #expect(world.trace.components(separatedBy: "ApplicationStart one\n").count == 3, "\(world.trace)")
        try await world.settled()
    }

    @Test func `a script that takes too long is stopped`() async throws {
        let world = try await World()
        let push = try await world.ship(
            world.hooks(["AfterInstall": "trap '' TERM; sleep 300 & wait; sleep 300"], timeout: 1)
        ).result
        #expect(
            push.stderr.contains("AfterInstall: hooks/AfterInstall took longer than 1.0 s and was stopped"),
            "\(push.stderr)")
        try await world.settled()
    }

    @Test func `a server that was started properly lives on, and one that keeps the output open is refused`()
        async throws
    {
        let world = try await World()
        let good = try await world.ship(
            world.hooks(["ApplicationStart": "sleep 300 </dev/null >/dev/null 2>&1 &\necho $! >\(world.path)/pid"])
        ).result
        #expect(good.stderr.contains("staging is live at"), "\(good.stderr)")
        func endServer() throws {
            let pid = try #require(
                Int32(world.read("\(world.path)/pid")?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""))
            #expect(kill(pid, 0) == 0)
            kill(pid, SIGKILL)
        }
        try endServer()
        try await world.settled()
        let bad = try await world.ship(world.hooks(["ApplicationStart": "sleep 300 &"])).result
        #expect(bad.stderr.contains("kept the output open; start it with </dev/null >FILE 2>&1"), "\(bad.stderr)")
        // The old release was started again, and so was its server.
        try endServer()
        try await world.settled()
    }

    @Test func `nothing of a failing script survives, whatever it does to hide`() async throws {
        let world = try await World()
        let hide = """
            (trap '' TERM HUP; setsid sh -c 'trap "" TERM; sleep 300; sleep 300' &)
            setsid --fork sleep 301
            nohup sleep 302 >/dev/null 2>&1 &
            (sh -c 'trap "" TERM; while :; do sleep 303; done' &) 
            exit 1
            """
        let push = try await world.ship(world.hooks(["ApplicationStart": hide])).result
        #expect(push.stderr.contains("ended with exit status 1"), "\(push.stderr)")
        try await world.settled()
    }

    @Test(arguments: ["auto", "off"])
    func `nothing of a build survives, whatever it does to hide`(sandbox: String) async throws {
        let world = try await World(extra: "build: {sandbox: \(sandbox)}")
        let spec = """
            version: 0.2
            phases:
              build:
                commands:
                  - (trap '' TERM HUP; setsid sh -c 'trap "" TERM; sleep 300; sleep 300' &)
                  - setsid --fork sleep 301
                  - nohup sleep 302 >/dev/null 2>&1 &
                  - echo built >out
            """
        let push = try await world.ship(["buildspec.yml": spec]).result
        #expect(push.stderr.contains("staging is live at"), "\(push.stderr)")
        #expect(world.current(nil, "out") == "built\n")
        try await world.settled()
        #expect(world.names(in: "\(world.home)/work").isEmpty)
    }

    @Test func `runas names a user who must exist`() async throws {
        let world = try await World()
        let push = try await world.ship(world.hooks(runas: "no-such-user")).result
        #expect(
            push.stderr.contains("hooks/ApplicationStop wants to run as no-such-user, who does not exist here"),
            "\(push.stderr)")
        #expect(push.stderr.contains("run 1 errored"))
        #expect(world.trace == "")
        try await world.settled()
    }

    @Test(
        arguments: [
            ("missing", nil, "ApplicationStart: the script hooks/ApplicationStart is not in the artifact"),
            ("windows", "#!/bin/sh\r\nexit 0\r\n", "the script hooks/ApplicationStart has Windows line ends"),
            ("interpreter", "#!/no/such/shell\n", "could not start"),
        ] as [(String, String?, String)])
    func `a script that cannot run is named`(kind: String, text: String?, message: String) async throws {
        let world = try await World()
        try await world.ship(world.hooks())
        unlink("\(world.path)/trace")
        var files = ["hooks/ApplicationStart": text ?? ""]
        files["index.html"] = "two\n"
        let push = try await world.ship(files).result
        #expect(push.stderr.contains(message), "\(push.stderr)")
        #expect(world.current() == "one\n")
        if kind != "interpreter" { #expect(world.trace == "", "nothing was touched") }
        try await world.settled()
    }

    @Test func `a target that is somebody else's, or no folder, is refused`() async throws {
        let world = try await World()
        try world.write(
            #"{"app":"other","environment":"staging","home":"/elsewhere"}"#, to: "\(world.staging)/.shipit/owner")
        let foreign = await world.push()
        #expect(
            foreign.stderr.contains("\(world.staging) is a target of other staging of /elsewhere, not of blog staging"),
            "\(foreign.stderr)")
        try await world.settled()
        try FileManager.default.removeItem(atPath: world.staging)
        try world.write("", to: world.staging)
        #expect(await world.shipit("retry").stderr.contains("the target \(world.staging) is not a folder"))
        unlink(world.staging)
        mkdir(world.staging, 0o755)
        mkdir("\(world.staging)/current", 0o755)
        #expect(await world.shipit("retry").stderr.contains("\(world.staging)/current is not a link that shipit made"))
        rmdir("\(world.staging)/current")
        #expect(await world.shipit("retry").status == 0)
        #expect(world.current() == "one\n")
        try await world.settled()
    }
}
