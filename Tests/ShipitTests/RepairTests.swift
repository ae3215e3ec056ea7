import CLinux
import Foundation
import Glibc
import Testing

@testable import Shipit

@Suite struct RepairTests {
    @Test(arguments: ["", "files: [{source: /, destination: /}, {source: sub/a.txt, destination: /etc}]\n"])
    func `repair restores exactly what was edited or is missing, and status tells of drift`(files: String) async throws
    {
        let world = try await World(
            environments: "environments: [{name: staging, targets: [@TARGETS@/staging], shared: [uploads/]}]")
        try world.must(
            await world.ship([
                "appspec.yml": "version: 0.0\nos: linux\n\(files)", "sub/a.txt": "a\n", "sub/b.txt": "b\n",
                "sub/deep/c.txt": "c\n", "run.sh": "#!/bin/sh\n", "uploads/seed": "s\n",
            ]).result)
        try await world.settled()
        let current = "\(world.staging)/current"
        let before = try await world.json("status")
        #expect("\(before)".contains("edited"), "a mapped release, which has no index, is looked at too")
        try world.must(await world.shipit("repair", "staging"))
        let untouched = try #require(FileSystem.linkStatus("\(current)/sub/b.txt")).st_ino
        try world.write("EDITED\n", to: "\(current)/index.html")
        try FileManager.default.removeItem(atPath: "\(current)/sub/deep")
        chmod("\(current)/run.sh", 0o600)
        unlink("\(current)/sub/a.txt")
        symlink("/etc/passwd", "\(current)/sub/a.txt")
        try world.write("mine\n", to: "\(current)/sub/extra/x")
        try world.write("theirs\n", to: "\(current)/uploads/kept")
        let status = await world.shipit("status").stdout
        #expect(
            status.contains("drift in \(world.staging): 2 edited by hand, 2 missing; shipit verify staging"),
            "\(status)")
        #expect(await world.shipit("verify").text.contains("shipit repair staging"))
        let repaired = try world.must(await world.shipit("repair", "staging"))
        #expect(repaired.stdout.split(separator: "\n").count == 5, "\(repaired.text)")
        #expect(repaired.stderr.contains("1 file stays"))
        #expect(world.current() == "one\n" && world.read("\(current)/sub/deep/c.txt") == "c\n")
        #expect(world.read("\(current)/sub/a.txt") == "a\n" && world.read("/etc/passwd") != "a\n")
        #expect(FileSystem.linkStatus("\(current)/run.sh").map { $0.st_mode & 0o777 } == 0o755)
        #expect(FileSystem.linkStatus("\(current)/sub/b.txt")?.st_ino == untouched)
        #expect(world.read("\(current)/uploads/kept") == "theirs\n")
        #expect(await world.shipit("verify").status == 0)
        #expect(!(await world.shipit("status").stdout.contains("drift")))
        #expect(await world.shipit("show", "1").stdout.contains("repaired \(world.staging): 5 put back, 0 removed"))
        try world.must(await world.shipit("repair", "staging", "--extra"))
        #expect(!world.exists("\(current)/sub/extra") && world.exists("\(current)/uploads/kept"))
        #expect(world.names(in: "\(world.staging)/.shipit").allSatisfy { $0 != "repair" })
        try world.must(await world.ship(["index.html": "two\n"]).result)
        #expect(world.current() == "two\n")
        try await world.settled()
    }

    @Test func `many edits and a large one are no drift any more once they are repaired`() async throws {
        let world = try await World(environments: "environments: [{name: staging, targets: [@TARGETS@/staging]}]")
        var files = ["large": String(repeating: "large\n", count: 800_000)]
        for number in 0..<50 { files["many/\(number)"] = "\(number)\n" }
        try world.must(await world.ship(files).result)
        try await world.settled()
        let current = "\(world.staging)/current"
        for number in 0..<50 { try world.write("edited \(number)\n", to: "\(current)/many/\(number)") }
        try world.write(String(repeating: "LARGE\n", count: 800_000), to: "\(current)/large")
        #expect(await world.shipit("status").stdout.contains("edited by hand; shipit verify"))
        try world.must(await world.shipit("repair", "staging"))
        #expect(!(await world.shipit("status").stdout.contains("drift")))
        // What is there now is patched for the next release, so nothing of the index may be wrong.
        for text in ["two\n", "three\n"] { try world.must(await world.ship(["index.html": text]).result) }
        try await world.settled()
        try world.must(await world.shipit("verify"))
        try world.must(await world.shipit("fsck"))
    }

    @Test func `links to what is shared are made again, and what took their place is kept`() async throws {
        let world = try await World(
            environments:
                "environments: [{name: staging, targets: [@TARGETS@/staging], shared: [uploads/, conf/.env, later/]}]")
        try world.write("KEY=1\n", to: "\(world.staging)/shared/conf/.env")
        try world.must(await world.ship(["uploads/seed": "s\n", "sub/a": "a\n"]).result)
        try await world.settled()
        let current = "\(world.staging)/current", outside = "\(world.path)/outside"
        unlink("\(current)/uploads")
        unlink("\(current)/conf/.env")
        try world.write("KEY=2\n", to: "\(current)/conf/.env")
        try FileManager.default.removeItem(atPath: "\(world.staging)/shared/later")
        try FileManager.default.removeItem(atPath: "\(current)/sub")
        try world.write("theirs\n", to: "\(outside)/a")
        symlink(outside, "\(current)/sub")
        let verified = await world.shipit("verify")
        #expect(verified.status == 1)
        #expect(verified.stdout.contains("missing: uploads: its link to shared/uploads is gone"), "\(verified.text)")
        #expect(verified.stdout.contains("edited: conf/.env: it is no link to shared/conf/.env any more"))
        #expect(verified.stdout.contains("edited: sub: it is no directory any more"), "\(verified.text)")
        #expect(!verified.stdout.contains("later"))
        #expect(await world.shipit("status").stdout.contains(": 2 edited by hand, 2 missing;"))
        let repaired = await world.shipit("repair", "staging", "--extra")
        #expect(repaired.status == 1)
        #expect(repaired.stderr.contains("/conf/.env is no link to \(world.staging)/shared/conf/.env any more"))
        #expect(world.read("\(current)/conf/.env") == "KEY=2\n" && world.read("\(current)/uploads/seed") == "s\n")
        #expect(FileSystem.linkStatus("\(current)/uploads").map { $0.st_mode & S_IFMT } == S_IFLNK)
        #expect(world.read("\(current)/sub/a") == "a\n" && world.read("\(outside)/a") == "theirs\n")
        unlink("\(current)/conf/.env")
        try world.must(await world.shipit("repair", "staging"))
        #expect(world.read("\(current)/conf/.env") == "KEY=1\n")
        #expect(await world.shipit("verify").status == 0)
        try await world.settled()
    }

    @Test func `a rollback warns of a release that is not whole, and goes back to it`() async throws {
        let world = try await World()
        try world.must(await world.ship(["sub/a": "a\n"]).result)
        try world.must(await world.ship(["index.html": "two\n"]).result)
        let release = try #require(world.releases().first { $0.hasPrefix("1-") })
        unlink("\(world.staging)/releases/\(release)/sub/a")
        let rollback = try world.must(await world.shipit("rollback", "staging"))
        #expect(
            rollback.stderr.contains("warning: release 1 is not as its artifact has it: 1 missing; if it does not"),
            "\(rollback.stderr)")
        #expect(world.current() == "one\n")
        try await world.settled()
    }

    @Test func `who puts a target right keeps no deployment out that has its token already`() throws {
        let ground = try Ground()
        let owner = TargetOwner(app: "blog", environment: "staging", home: "/home")
        do { _ = try Target(ground.root, of: owner, token: 7) }
        do { _ = try Target(ground.root, of: owner) }
        #expect(throws: ShipitError.self) { _ = try Target(ground.root, of: owner, token: 6) }
        do { _ = try Target(ground.root, of: owner, token: 7) }
    }

    @Test func `what cannot be repaired says what to do instead`() async throws {
        let world = try await World()
        #expect(await world.shipit("repair", "staging").status == 69)
        try world.must(await world.ship().result)
        try await world.settled()
        rename("\(world.home)/artifacts/blog", "\(world.home)/artifacts/away")
        try world.write("EDITED\n", to: "\(world.staging)/current/index.html")
        let gone = await world.shipit("repair", "staging")
        #expect(gone.status == 2 && gone.stderr.contains("is gone\n  hint: shipit start"), "\(gone.stderr)")
        #expect(world.current() == "EDITED\n")
    }
}
