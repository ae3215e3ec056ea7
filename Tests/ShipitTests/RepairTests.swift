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
        #expect("\(before)".contains("edited") == files.isEmpty, "a mapped release has no index")
        try world.must(await world.shipit("repair", "staging"))
        let untouched = try #require(FileSystem.linkStatus("\(current)/sub/b.txt")).st_ino
        try world.write("EDITED\n", to: "\(current)/index.html")
        try FileManager.default.removeItem(atPath: "\(current)/sub/deep")
        chmod("\(current)/run.sh", 0o600)
        unlink("\(current)/sub/a.txt")
        symlink("/etc/passwd", "\(current)/sub/a.txt")
        try world.write("mine\n", to: "\(current)/sub/extra/x")
        try world.write("theirs\n", to: "\(current)/uploads/kept")
        if files.isEmpty {
            let status = await world.shipit("status").stdout
            #expect(
                status.contains("drift in \(world.staging): 2 edited by hand, 2 missing; shipit verify staging"),
                "\(status)")
        }
        #expect(await world.shipit("verify").text.contains("shipit repair staging"))
        let repaired = try world.must(await world.shipit("repair", "staging"))
        #expect(repaired.stdout.split(separator: "\n").count == 5, "\(repaired.text)")
        #expect(repaired.stderr.contains("1 files stay"))
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
