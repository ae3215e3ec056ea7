import ArtifactKit
import Foundation
import Glibc
import Testing

@testable import Shipit

@Suite struct IrreversibleTests {
    @Test func `what a hook script marks irreversible is not crossed unasked, and by name it is`() async throws {
        let world = try await World()
        // Whoever owns the target runs the scripts, and cannot open shipit's home.
        try FileManager.default.createDirectory(atPath: world.staging, withIntermediateDirectories: true)
        if geteuid() == 0 { chown(world.staging, 65534, 65534) }
        chmod(world.path, 0o777)
        try world.must(await world.ship(["appspec.yml": "version: 0.0\nos: linux\n"]).result)
        let marking = "version: 0.0\nos: linux\nhooks:\n  AfterInstall: [{location: mark.sh}]\n"
        let second = try await world.ship([
            "index.html": "two\n", "appspec.yml": marking,
            "mark.sh": "#!/bin/sh\nshipit mark irreversible --reason 'drops the column price'\n",
        ])
        #expect(world.log(2).contains("this deployment is marked irreversible"), "\(world.log(2))")
        #expect(world.names(in: "\(world.staging)/.shipit").allSatisfy { !$0.hasPrefix("marks") })
        let refused = await world.shipit("rollback", "staging")
        #expect(refused.status == 69)
        #expect(
            refused.stderr.contains("\(second.revision.prefix(7)) (run 2, ")
                && refused.stderr.contains("is marked irreversible: drops the column price\n  hint: if the older"),
            "\(refused.stderr)")
        #expect(world.current() == "two\n")
        let crossed = await world.shipit("rollback", "staging", "--across-irreversible")
        #expect(crossed.status == 0 && crossed.stderr.contains("warning: this crosses"), "\(crossed.stderr)")
        #expect(world.current() == "one\n")
        try await world.settled()
    }

    @Test func `a mark survives the worker's death and the end of the deployment that it was made in`() async throws {
        let world = try await World()
        try world.must(await world.ship(["appspec.yml": "version: 0.0\nos: linux\n"]).result)
        try await world.settled()
        let files = world.hooks([
            "BeforeInstall": "[ $SHIPIT_ATTEMPT != 1 ] || shipit mark irreversible", "ValidateService": "exit 3",
        ])
        try await world.commit(files.merging(["index.html": "two\n"]) { $1 })
        await world.push("-o", "detach", "main", environment: ["SHIPIT_FAILPOINT": "deploy-validated:kill"])
        // Each leaves the work to the one that is at it.
        try await world.settled()
        await world.shipit("work", environment: ["SHIPIT_FAILPOINT": "deploy-before-switch:kill"])
        try await world.settled()
        await world.shipit("work")
        try await world.settled()
        let reason = try await world.runs().first?["reason"] as? String
        #expect(
            reason?.contains("CAREFUL: it had marked itself irreversible: no reason was given") == true,
            "\(reason ?? "")")
        #expect(world.current() == "one\n")
        let ledger = try world.installation().ledger
        let lines = try ledger.irreversible(app: "blog", environment: "staging", after: 0)
        #expect(lines.map(\.run) == [2] && lines.first?.status == .failed)
        try await world.settled()
    }

    @Test func `people mark what is live, and take it back`() async throws {
        let world = try await World()
        try world.must(await world.ship().result)
        try world.must(await world.ship(["index.html": "two\n"]).result)
        #expect(await world.shipit("mark", "irreversible", "staging").status == 64)
        #expect(await world.shipit("mark", "irreversible").status == 64)
        #expect(await world.shipit("mark", "irreversible", "production", "--reason", "x").status == 69)
        try world.must(await world.shipit("mark", "irreversible", "staging", "--reason", "new\u{1B}schema"))
        let refused = await world.shipit("rollback", "staging")
        #expect(refused.status == 69 && refused.stderr.contains("new^[schema (marked by "), "\(refused.stderr)")
        try world.must(await world.shipit("mark", "reversible", "staging"))
        #expect(await world.shipit("mark", "reversible", "staging").status == 69)
        try world.must(await world.shipit("rollback", "staging", "--dry-run"))
        #expect(world.current() == "two\n")
        try world.must(await world.shipit("rollback", "staging"))
        #expect(world.current() == "one\n")
        try await world.settled()
    }

    @Test(arguments: [0, 3])
    func `what a hook script says of its mark tells no secret`(ending: Int) async throws {
        let world = try await World()
        try world.must(await world.shipit("env", "set", "staging", "--secret", "DB_URL", input: "db://top-secret@db"))
        try await world.ship(
            world.hooks(["AfterInstall": "shipit mark irreversible --reason \"moved $DB_URL away\"; exit \(ending)"]))
        let shown = await world.shipit("show", "1").stdout
        #expect(shown.contains("moved *** away"), "\(shown)")
        unlink("\(world.home)/apps/blog/environments/staging.env")
        try await world.settled()
        let found = await world.run(["/usr/bin/grep", "-rlaF", "top-secret", world.path], in: world.path)
        #expect(found.stdout == "")
    }

    @Test func `only those whom the policy names mark by hand`() async throws {
        let world = try await World()
        try world.must(await world.ship().result)
        try world.setPolicy(extra: "allow: {mark: [nobody-else]}")
        let refused = await world.shipit("mark", "irreversible", "staging", "--reason", "mine")
        #expect(refused.status != 0 && refused.stderr.contains("may not mark"), "\(refused.text)")
        try await world.settled()
    }

    @Test func `only lines of the known form count, however much a script writes`() throws {
        let ground = try Ground()
        let marks = try Marks(in: Directory(path: ground.state), of: 7)
        let path = try marks.open(for: nil)
        #expect(marks.irreversible == nil)
        try ground.write(
            "irreversibly\nreversible\nirreversible \u{1B}[2J \(String(repeating: "x", count: 600))\n", path)
        #expect(marks.irreversible == "^[[2J " + String(repeating: "x", count: 495))
        try Marks.append(irreversible: "later", to: path)
        #expect(try marks.open(for: nil) == path)
        #expect(marks.irreversible?.hasPrefix("^[[2J") == true)
        unlink(path)
        symlink("/etc/passwd", path)
        #expect(marks.irreversible == nil)
        #expect(throws: ShipitError.self) { try Marks.append(irreversible: "x", to: path) }
    }
}

@Suite struct RollbackHookTests {
    private func appspec(_ world: World, _ text: String) -> [String: String] {
        var files = world.hooks()
        files["appspec.yml"]? += "  Rollback:\n    - location: hooks/Rollback\n"
        files["hooks/Rollback"] =
            "#!/bin/sh\necho \"Rollback $(cat index.html) $SHIPIT_REVISION $SHIPIT_ROLLBACK_TO\" >>\(world.path)/trace\n"
            + "ls \"$SHIPIT_ROLLBACK_TO_DIR/index.html\" || exit 9\n[ ! -e \(world.path)/broken ]\n"
        files["index.html"] = text
        return files
    }

    @Test func `the newer release's Rollback hook comes first, and only when a person goes back`() async throws {
        let world = try await World()
        let first = try await world.ship(appspec(world, "one\n")).revision
        try world.write(
            "#!/bin/sh\necho server $LIFECYCLE_EVENT >>\(world.path)/trace\n",
            to: "\(world.home)/apps/blog/hooks/rollback", mode: 0o755)
        let second = try await world.ship(["index.html": "two\n"]).revision
        let failing = try await world.ship([
            "index.html": "bad\n", "hooks/ValidateService": "#!/bin/sh\nexit 1\n",
        ])
        #expect(!world.trace.contains("Rollback"), "\(failing.result.stderr)")
        unlink("\(world.path)/trace")
        try world.write("", to: "\(world.path)/broken")
        let failed = await world.shipit("rollback", "staging")
        #expect(failed.status == 1 && failed.stderr.contains("--skip-rollback-hook"), "\(failed.stderr)")
        #expect(failed.stderr.contains("; staging stays at \(second.prefix(7))"), "\(failed.stderr)")
        #expect(world.trace == "Rollback two \(second) \(first)\n")
        #expect(world.current() == "two\n")
        unlink("\(world.path)/broken")
        unlink("\(world.path)/trace")
        try world.must(await world.shipit("rollback", "staging", "--reason", "prices"))
        #expect(
            world.trace == """
                Rollback two \(second) \(first)
                server Rollback
                ApplicationStop two
                ApplicationStart one
                ValidateService one

                """)
        let bad = try await world.revisions("staging").first { $0["revision"] as? String == second }
        #expect(bad?["bad_reason"] as? String == "prices")
        unlink("\(world.path)/trace")
        try world.must(await world.shipit("rollback", "staging", "--to", second, "--skip-rollback-hook"))
        #expect(world.trace == "ApplicationStop one\nApplicationStart two\nValidateService two\n")
        try await world.settled()
    }

    @Test func `it also runs where files are installed in place`() async throws {
        let world = try await World(
            environments: "environments: [{name: staging, targets: [@TARGETS@/staging], layout: in-place}]")
        let undo = "#!/bin/sh\necho undo $(cat index.html) >>\(world.path)/undone\n"
        let appspec =
            "version: 0.0\nos: linux\nfiles: [{source: index.html, destination: /}]\nhooks:\n  Rollback: [{location: undo.sh}]\n"
        try world.must(await world.ship(["appspec.yml": appspec, "undo.sh": undo]).result)
        try world.must(await world.ship(["index.html": "two\n"]).result)
        #expect(world.read("\(world.staging)/index.html") == "two\n")
        try world.must(await world.shipit("rollback"))
        #expect(world.read("\(world.staging)/index.html") == "one\n")
        #expect(world.read("\(world.path)/undone") == "undo two\n")
        try await world.settled()
    }

    @Test func `two people who are woken by one alarm go back once`() async throws {
        let world = try await World()
        let wait = "while [ ! -e \(world.path)/go ]; do sleep 0.05; done"
        let files = world.hooks([
            "ApplicationStop": "[ ! -e \(world.path)/wait ] || { touch \(world.path)/begun; \(wait); }"
        ])
        try world.must(await world.ship(files).result)
        try world.must(await world.ship(["index.html": "two\n"]).result)
        try world.must(await world.ship(["index.html": "three\n"]).result)
        try world.write("", to: "\(world.path)/wait")
        let ann = world.startShipit("rollback", "staging")
        try await eventually("it is under way") { world.exists("\(world.path)/begun") }
        let ben = await world.shipit("rollback", "staging")
        #expect(ben.status == 75 && ben.stderr.contains("staging is being rolled back already"), "\(ben.stderr)")
        try world.write("", to: "\(world.path)/go")
        #expect(await ann.end().status == 0)
        #expect(world.current() == "two\n")
        try await world.settled()
    }

    @Test func `validate says what AWS makes of it`() async throws {
        let world = try await World(app: false)
        try world.write(
            "version: 0.0\nos: linux\nhooks:\n  Rollback: [{location: a.sh}]\n", to: "\(world.path)/appspec.yml")
        let said = await world.shipit("validate", "appspec.yml")
        #expect(said.status == 0 && said.text.contains("Rollback is shipit's own event"), "\(said)")
        #expect(said.text.contains("the deployment fails in Install"))
    }
}
