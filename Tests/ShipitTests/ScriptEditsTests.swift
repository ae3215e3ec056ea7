import CLinux
import Foundation
import Glibc
import Testing

@testable import Shipit

@Suite struct ScriptEditsTests {
    private static let one = "environments: [{name: staging, targets: [@TARGETS@/staging], view: false}]"

    @Test(arguments: ["", "files: [{source: /, destination: /}, {source: conf/app.conf, destination: /etc}]\n"])
    func `what hook scripts edited is no drift until somebody edits it again`(files: String) async throws {
        let world = try await World(environments: Self.one)
        try world.must(
            await world.ship([
                "appspec.yml": """
                version: 0.0
                os: linux
                \(files)hooks:
                  AfterInstall: [{location: scripts/configure}]
                  ApplicationStart: [{location: scripts/start}]
                """,
                "scripts/configure": """
                #!/bin/sh
                set -e
                cd "$SHIPIT_RELEASE_DIR"
                sed -i s/@PORT@/8080/ conf/app.conf
                rm -r drafts
                chmod 600 conf/key
                mkdir made && echo m > made/file
                """, "scripts/start": "#!/bin/sh\ndate > \"$SHIPIT_RELEASE_DIR/conf/started\"\n",
                "conf/app.conf": "port=@PORT@\n", "conf/key": "k\n", "conf/started": "never\n", "drafts/a": "a\n",
            ]).result)
        try await world.settled()
        let current = "\(world.staging)/current"
        #expect(world.current(nil, "conf/app.conf") == "port=8080\n")
        #expect(!(await world.shipit("status").stdout.contains("drift")))
        let verified = try world.must(await world.shipit("verify"))
        let words = "by hook scripts during the deployment"
        for line in [
            "edited \(words): conf/app.conf", "removed \(words): drafts/a", "mode changed \(words): conf/key",
            "added \(words): made",
        ] { #expect(verified.stdout.contains(line), "\(verified.stdout)") }
        let checked = try world.must(await world.shipit("fsck"))
        #expect(checked.text.contains("edited by hook scripts during the deployment"), "\(checked.text)")
        let left = try world.must(await world.shipit("repair", "staging", "--extra"))
        #expect(left.stdout.isEmpty && left.stderr.contains("--all puts that back"), "\(left.text)")
        #expect(world.exists("\(current)/made/file") && !world.exists("\(current)/drafts"))

        try world.write("port=8081\n", to: "\(current)/conf/app.conf")
        try world.write("EDITED\n", to: "\(current)/index.html")
        let status = await world.shipit("status").stdout
        #expect(status.contains("drift in \(world.staging): 2 edited by hand;"), "\(status)")
        #expect(await world.shipit("verify").status == 1)
        let repaired = await world.shipit("repair", "staging")
        #expect(repaired.status == 1 && repaired.stderr.contains("conf/app.conf was edited by hook scripts"))
        #expect(world.current() == "one\n" && world.current(nil, "conf/app.conf") == "port=8081\n")
        try world.must(await world.shipit("repair", "staging", "--all"))
        #expect(world.current(nil, "conf/app.conf") == "port=@PORT@\n" && world.exists("\(current)/drafts/a"))
        #expect(!world.exists("\(current)/made"))
        try world.must(await world.shipit("verify"))
        #expect(!(await world.shipit("status").stdout.contains("drift")))
    }

    @Test func `a release that is live again has what its scripts did then, and what a person did is still drift`()
        async throws
    {
        let world = try await World(environments: Self.one)
        try world.must(
            await world.ship([
                "appspec.yml": "version: 0.0\nos: linux\nhooks:\n  ApplicationStart: [{location: start}]\n",
                "start": "#!/bin/sh\ndate +%s.%N > \"$SHIPIT_RELEASE_DIR/started\"\n", "started": "never\n",
            ]).result)
        try await world.settled()
        let first = try #require(world.current(nil, "started"))
        try world.write("EDITED\n", to: "\(world.staging)/current/index.html")
        try world.must(await world.ship(["index.html": "two\n"]).result)
        try await world.settled()
        #expect(!(await world.shipit("status").stdout.contains("drift")))
        let rollback = try world.must(await world.shipit("rollback", "staging"))
        #expect(rollback.stderr.contains("its artifact has it: 1 edited by hand"), "\(rollback.stderr)")
        try await world.settled()
        #expect(world.current(nil, "started") != first)
        let status = await world.shipit("status").stdout
        #expect(status.contains("drift in \(world.staging): 1 edited by hand;"), "\(status)")
        try world.must(await world.shipit("repair", "staging"))
        #expect(world.current() == "one\n")
        try world.must(await world.shipit("verify"))
        // Without the note everything is as it was before there were any.
        for name in world.names(in: "\(world.staging)/.shipit/manifests") where name.hasSuffix(".edits") {
            unlink("\(world.staging)/.shipit/manifests/\(name)")
        }
        #expect(await world.shipit("verify").status == 1)
        #expect(await world.shipit("status").stdout.contains(": 1 edited by hand;"))
    }

    @Test func `the note goes with its release, and a release without scripts has none`() async throws {
        let world = try await World(
            environments: "environments: [{name: staging, targets: [@TARGETS@/staging], keep: 1}]")
        let manifests = "\(world.staging)/.shipit/manifests"
        try world.must(await world.ship().result)
        try await world.settled()
        #expect(world.names(in: manifests).count == 1)
        let appspec = "version: 0.0\nos: linux\nhooks:\n  AfterInstall: [{location: edit}]\n"
        let edit = "#!/bin/sh\necho edited > \"$SHIPIT_RELEASE_DIR/index.html\"\n"
        for number in 2...5 {
            try world.must(
                await world.ship(["appspec.yml": appspec, "edit": edit, "number": "\(number)\n"]).result)
        }
        try await world.settled()
        let names = world.names(in: manifests)
        let noted = names.filter { $0.hasSuffix(".edits") }.map { String($0.dropLast(".edits".count)) }
        #expect(!noted.isEmpty && noted.allSatisfy { world.releases().contains($0) }, "\(names)")
        #expect(!(await world.shipit("status").stdout.contains("drift")))
        try world.must(await world.shipit("verify"))
    }
}
