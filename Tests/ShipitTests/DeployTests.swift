import Foundation
import Glibc
import Testing

@testable import Shipit

extension World {
    var trace: String { read("\(path)/trace") ?? "" }

    /// An appspec with a script for every event, which notes the event and the release that it belongs to; `extra` are
    /// further lines of an event's script.
    func hooks(_ extra: [String: String] = [:], timeout: Int = 60, runas: String? = nil) -> [String: String] {
        var files: [String: String] = [:]
        var appspec = "version: 0.0\nos: linux\nhooks:\n"
        for event in LifecycleEvent.allCases.map(\.rawValue) {
            appspec += "  \(event):\n    - location: hooks/\(event)\n      timeout: \(timeout)\n"
            if let runas { appspec += "      runas: \(runas)\n" }
            files["hooks/\(event)"] = """
                #!/bin/sh
                echo "\(event) $(cat "$SHIPIT_RELEASE_DIR/index.html")" >>\(path)/trace
                \(extra[event] ?? "")

                """
        }
        files["appspec.yml"] = appspec
        return files
    }
}

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

        let reason = "\(event): hooks/\(event) ended with exit status 7; staging stays at \(first.prefix(7))"
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

@Suite struct DeploymentTests {
    @Test func `hook scripts see AWS's variables and shipit's`() async throws {
        let world = try await World()
        let names = [
            "APPLICATION_NAME", "DEPLOYMENT_ID", "DEPLOYMENT_GROUP_NAME", "LIFECYCLE_EVENT", "SHIPIT_APP",
            "SHIPIT_ENVIRONMENT",
            "SHIPIT_REVISION", "SHIPIT_PREVIOUS_REVISION", "SHIPIT_RELEASE_DIR", "SHIPIT_TARGET", "SHIPIT_RUN",
            "SHIPIT_ATTEMPT",
        ]
        let script =
            "for n in \(names.joined(separator: " ")); do eval \"echo $n=\\$$n\"; done >\(world.path)/seen; pwd >>\(world.path)/seen"
        let revision = try await world.ship(world.hooks(["AfterInstall": script])).revision
        let release = "\(world.staging)/releases/1-\(revision.prefix(7))"
        #expect(
            world.read("\(world.path)/seen") == """
                APPLICATION_NAME=blog
                DEPLOYMENT_ID=d-000000001
                DEPLOYMENT_GROUP_NAME=staging
                LIFECYCLE_EVENT=AfterInstall
                SHIPIT_APP=blog
                SHIPIT_ENVIRONMENT=staging
                SHIPIT_REVISION=\(revision)
                SHIPIT_PREVIOUS_REVISION=
                SHIPIT_RELEASE_DIR=\(release)
                SHIPIT_TARGET=\(world.staging)
                SHIPIT_RUN=1
                SHIPIT_ATTEMPT=1
                \(release)

                """)
        try await world.settled()
    }

    @Test func `a release that is started again is told its own revision`() async throws {
        let world = try await World()
        let note = "echo \"$SHIPIT_REVISION\" >\(world.path)/started"
        let first = try await world.ship(world.hooks(["ApplicationStart": note])).revision
        try await world.ship(["index.html": "two\n", "hooks/ValidateService": "#!/bin/sh\nexit 1\n"])
        #expect(world.current() == "one\n")
        #expect(world.read("\(world.path)/started") == "\(first)\n")
        try await world.settled()
    }

    @Test func `the server's own scripts run after the revision's`() async throws {
        let world = try await World()
        try world.write(
            "#!/bin/sh\necho \"server $LIFECYCLE_EVENT\" >>\(world.path)/trace\n",
            to: "\(world.home)/apps/blog/hooks/application-start",
            mode: 0o755)
        try await world.ship(world.hooks())
        #expect(
            world.trace
                == "BeforeInstall one\nAfterInstall one\nApplicationStart one\nserver ApplicationStart\nValidateService one\n"
        )
        try await world.settled()
    }

    @Test func `a server's script that is not executable is refused before anything is touched`() async throws {
        let world = try await World()
        try world.write("#!/bin/sh\n", to: "\(world.home)/apps/blog/hooks/validate-service", mode: 0o644)
        let push = try await world.ship(world.hooks()).result
        #expect(
            push.stderr.contains("the server's hook \(world.home)/apps/blog/hooks/validate-service is not executable"))
        #expect(world.trace == "")
        try await world.settled()
    }

    @Test func `the appspec's files are mapped, and scripts run from the whole artifact`() async throws {
        let world = try await World()
        var files = world.hooks(["ApplicationStart": "cp \"$0\" \(world.path)/ran"])
        files["appspec.yml"]? += """
            files:
              - source: site
                destination: /public
              - source: config/app.conf
                destination: /etc
              - source: index.html
                destination: /
            """
        files["site/a.txt"] = "a\n"
        files["site/deep/b.txt"] = "b\n"
        files["config/app.conf"] = "conf\n"
        let revision = try await world.ship(files).revision
        #expect(world.current(nil, "public/a.txt") == "a\n")
        #expect(world.current(nil, "public/deep/b.txt") == "b\n")
        #expect(world.current(nil, "etc/app.conf") == "conf\n")
        #expect(world.current(nil, "hooks/ApplicationStart") == nil)
        #expect(world.exists("\(world.path)/ran"))
        #expect(world.names(in: "\(world.staging)/.shipit/bundles") == ["1-\(revision.prefix(7))"])
        let broken = try await world.ship([
            "appspec.yml": "version: 0.0\nos: linux\nfiles: [{source: nowhere, destination: /}]\n"
        ]).result
        #expect(broken.stderr.contains("appspec.yml names the source nowhere, which is not in the artifact"))
        #expect(world.current(nil, "public/a.txt") == "a\n")
        try await world.settled()
    }

    @Test func `shared files must be there, and shared folders begin with what the release brought`() async throws {
        let world = try await World(
            environments:
                "environments:\n  - name: staging\n    targets: [@TARGETS@/staging]\n    shared: [uploads/, data/deep/, .env]",
            files: ["index.html": "one\n", "uploads/first.txt": "seed\n"])
        try await world.commit(world.hooks())
        let refused = await world.push()
        let place = "\(world.staging)/shared/.env"
        #expect(refused.stderr.contains("the shared file \(place) is missing"), "\(refused.stderr)")
        #expect(refused.stderr.contains("hint: make it: install -D -m 600 /dev/null \(place), and fill it in"))
        #expect(world.trace == "", "no script ran")
        try await world.settled()
        try world.write("KEY=1\n", to: place)
        #expect(await world.shipit("retry").status == 0)
        #expect(world.current(nil, ".env") == "KEY=1\n")
        #expect(world.current(nil, "uploads/first.txt") == "seed\n")
        try world.write("user\n", to: "\(world.staging)/current/uploads/user.txt")
        try world.write("kept\n", to: "\(world.staging)/current/data/deep/x")
        try await world.ship(["index.html": "two\n", "uploads/first.txt": "changed\n"])
        #expect(world.current() == "two\n")
        #expect(
            world.current(nil, "uploads/user.txt") == "user\n" && world.current(nil, "uploads/first.txt") == "seed\n")
        #expect(world.current(nil, "data/deep/x") == "kept\n")
        #expect(world.log(2).contains("uploads/ in the release is replaced by the shared one"))
        try await world.settled()
    }

    @Test func `retention keeps good releases though failing ones lie between`() async throws {
        let world = try await World(
            environments: "environments:\n  - name: staging\n    targets: [@TARGETS@/staging]\n    keep: 1")
        var good: [String] = []
        for number in 1...3 {
            good.append(
                try await world.ship(["index.html": "good \(number)\n", "appspec.yml": "version: 0.0\nos: linux\n"])
                    .revision)
            var bad = world.hooks(["ValidateService": "exit 1"])
            bad["index.html"] = "bad \(number)\n"
            try await world.ship(bad)
        }
        try await world.settled()
        #expect(world.releases() == ["1-\(good[0].prefix(7))", "3-\(good[1].prefix(7))", "5-\(good[2].prefix(7))"])
        try await world.ship(["index.html": "good 4\n", "appspec.yml": "version: 0.0\nos: linux\n"])
        try await world.settled()
        #expect(world.releases().count == 3 && !world.releases().contains("1-\(good[0].prefix(7))"))
        #expect(world.names(in: "\(world.staging)/.shipit/manifests").count == 3)
    }

    @Test func `a rollback needs neither the repository nor the artifacts`() async throws {
        let world = try await World()
        let first = try await world.ship(world.hooks()).revision
        let second = try await world.ship(["index.html": "two\n"]).revision
        try await world.settled()
        rename(world.repository, world.repository + ".away")
        rename("\(world.home)/artifacts", "\(world.home)/artifacts.away")
        unlink("\(world.path)/trace")
        let rollback = await world.shipit("rollback", "staging")
        #expect(rollback.status == 0, "\(rollback.stderr)")
        #expect(rollback.stderr.hasPrefix("staging: from \(second.prefix(7)) back to \(first.prefix(7))\n"))
        #expect(world.current() == "one\n")
        #expect(world.trace == "ApplicationStop two\nApplicationStart one\nValidateService one\n")
        try await world.settled()
        rename(world.repository + ".away", world.repository)
        rename("\(world.home)/artifacts.away", "\(world.home)/artifacts")
        let status = await world.shipit("status")
        #expect(status.stdout.contains("no automatic promotion"), "\(status.stdout)")
        #expect(
            try await world.revisions("staging").contains {
                $0["bad"] as? Bool == true && $0["revision"] as? String == second
            })
        #expect(await world.shipit("rollback", "staging").status == 69)
        #expect(await world.shipit("rollback", "staging", "--to", String(second)).status == 0)
        #expect(world.current() == "two\n")
        try await world.settled()
    }

    @Test func `a rollback whose old release fails stays where it was`() async throws {
        let world = try await World()
        try await world.ship(
            world.hooks(["ValidateService": "[ ! -e \(world.path)/broken ] || [ \"$(cat index.html)\" != one ]"]))
        let second = try await world.ship(["index.html": "two\n"]).revision
        try world.write("", to: "\(world.path)/broken")
        let rollback = await world.shipit("rollback", "staging")
        #expect(rollback.status == 1)
        #expect(rollback.stderr.contains("staging stays at \(second.prefix(7))"), "\(rollback.stderr)")
        #expect(world.current() == "two\n")
        #expect(world.releases().count == 2)
        #expect(try await world.live() == second)
        try await world.settled()
    }
}
