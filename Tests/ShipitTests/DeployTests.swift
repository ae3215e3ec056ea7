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
        for event in LifecycleEvent.ofDeployment.map(\.rawValue) {
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
        // /etc is the machine's, and no script could see it as the release has it.
        let world = try await World(
            environments: "environments: [{name: staging, targets: [@TARGETS@/staging], view: off}]")
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
        #expect(broken.stderr.contains("appspec.yml: the source nowhere is not in the revision"))
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
