import Foundation
import Glibc
import Testing

@testable import Shipit

/// What went wrong once, each with the scene in which it did.
@Suite struct TroubleTests {
    @Test func `trouble with one app's repository does not keep another app from shipping`() async throws {
        let world = try await World()
        let other = "\(world.path)/other.git"
        #expect(await world.shipit("init", other, "--app", "other", "--targets", "\(world.targets)/other").status == 0)
        try await world.git(in: world.clone, "push", "-q", "-o", "detach", other, "main")
        try await eventually("the other app is live") { world.current("\(world.targets)/other/staging") == "one\n" }
        // git push still works there; libgit2 refuses to open it.
        try await world.git("--git-dir", other, "config", "core.repositoryFormatVersion", "1")
        try await world.git("--git-dir", other, "config", "extensions.partialClone", "origin")
        try await world.commit(["index.html": "two\n"])
        _ = try? await world.git(in: world.clone, "push", "-q", "-o", "detach", other, "main")  // git may refuse it
        let push = await world.push()
        #expect(push.stderr.contains("staging is live at"), "\(push.stderr)")
        #expect(world.current() == "two\n")
        try await world.git("--git-dir", other, "config", "--unset", "extensions.partialClone")
        try await eventually("the other app catches up") {
            world.current("\(world.targets)/other/staging") == "two\n"
        }
        try await world.settled()
    }

    @Test func `an ApplicationStop that is not executable does not lock the environment`() async throws {
        let world = try await World()
        let stop = "version: 0.0\nos: linux\nhooks: {ApplicationStop: [{location: stop}]}\n"
        try await world.ship(["appspec.yml": stop, "stop": "#!/bin/sh\ntouch \(world.path)/stopped\n"])
        try await world.git(in: world.clone, "update-index", "--chmod=-x", "stop")
        try await world.ship(["index.html": "two\n"])
        let push = try await world.ship(["index.html": "three\n"]).result
        #expect(push.stderr.contains("staging is live at"), "\(push.stderr)")
        #expect(world.current() == "three\n" && world.exists("\(world.path)/stopped"))
        try await world.settled()
    }

    @Test func `a script that is missing from the artifact is found before anything is touched`() async throws {
        let world = try await World()
        try await world.ship()
        let stop = "version: 0.0\nos: linux\nhooks: {ApplicationStop: [{location: stop}]}\n"
        let push = try await world.ship(["index.html": "two\n", "appspec.yml": stop]).result
        #expect(push.stderr.contains("ApplicationStop: the script stop is not in the artifact"), "\(push.stderr)")
        #expect(world.current() == "one\n" && world.releases().count == 1)
        try await world.settled()
    }

    @Test func `what was left live by a failure can be retried`() async throws {
        let world = try await World(
            environments: "environments:\n  - name: staging\n    targets: [@TARGETS@/staging]\n    on_failure: stop")
        try await world.ship(world.hooks())
        var files = world.hooks(["ValidateService": "[ -e \(world.path)/mended ]"])
        files["index.html"] = "two\n"
        #expect(try await world.ship(files).result.stderr.contains("run 2 failed"))
        try world.write("", to: "\(world.path)/mended")
        let retry = await world.shipit("retry", "2")
        #expect(retry.status == 0, "\(retry.stderr)")
        #expect(world.current() == "two\n")
        #expect(try await world.status(of: 2) == "succeeded")
        try await world.settled()
    }

    @Test func `a damaged description is mended by building again`() async throws {
        let world = try await World()
        let revision = try await world.ship().revision
        try world.write("{", to: "\(world.home)/artifacts/blog/\(revision).json")
        let start = await world.shipit("start", "--rebuild")
        #expect(start.status == 0, "\(start.stderr)")
        try await world.settled()
    }

    @Test func `variables that cannot be read do not keep the old release from coming back`() async throws {
        let world = try await World()
        try await world.ship()
        try await world.commit(["index.html": "two\n"])
        await world.push("-o", "detach", "main", environment: ["SHIPIT_FAILPOINT": "deploy-after-switch:kill"])
        try await eventually("the worker died") { world.current() == "two\n" }
        try await world.settled()
        let file = "\(world.home)/apps/blog/environments/staging.env"
        #expect(await world.shipit("env", "set", "staging", "A=b").status == 0)
        chmod(file, 0o644)
        _ = await world.shipit("work")
        #expect(world.current() == "one\n")
        chmod(file, 0o600)
        try await world.settled()
    }

    @Test func `a log is shown to its end, whatever lines it has`() async throws {
        let world = try await World(extra: "build: {sandbox: off}")
        try await world.ship([
            "noise": "#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' '\\377'\necho\necho the-end\n",
            "buildspec.yml": "version: 0.2\nphases: {build: {commands: [./noise]}}\n",
        ])
        #expect(await world.shipit("log", "1").stdout.contains("| the-end"))
        try await world.settled()
    }

    @Test func `a secret that is too short to be hidden is refused`() async throws {
        let world = try await World()
        let refused = await world.shipit("env", "set", "staging", "--secret", "PIN", input: "123")
        #expect(refused.status == 64 && refused.stderr.contains("one of fewer than 4 cannot be hidden"))
    }

    @Test(.enabled(if: geteuid() == 0)) func `a home below a closed folder builds all the same`() async throws {
        let world = try await World()
        chmod(world.path, 0o700)
        let push = try await world.ship([
            "buildspec.yml": "version: 0.2\nphases: {build: {commands: [id -u > built]}}\n"
        ]).result
        #expect(push.stderr.contains("staging is live at"), "\(push.stderr)")
        #expect(world.current(nil, "built") != nil)
        chmod(world.path, 0o755)
        try await world.settled()
    }
}
