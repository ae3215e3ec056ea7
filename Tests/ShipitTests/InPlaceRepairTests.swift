import CLinux
import Foundation
import Glibc
import Testing

@testable import Shipit

@Suite struct InPlaceRepairTests {
    @Test func `in place exactly the installed files that were edited or are gone are put back`() async throws {
        let world = try await World()
        try world.installInPlace()
        try world.must(
            await world.ship(
                world.revision(
                    ["index.html": "one", "conf/app.conf": "@PORT@", "conf/deep/a": "a", "run": "r", "kept": "k"],
                    ["AfterInstall": "sed -i s/@PORT@/8080/ \(world.www)/conf/app.conf"],
                    more: "permissions:\n  - {object: \(world.www), pattern: run, mode: '0750', type: [file]}\n")
            ).result)
        try await world.settled()
        #expect(world.site("conf/app.conf") == "8080")
        let verified = try world.must(await world.shipit("verify"))
        #expect(verified.stdout.contains("edited by hook scripts during the deployment: "), "\(verified.text)")
        let nothing = try world.must(await world.shipit("repair", "staging"))
        #expect(
            nothing.stdout.isEmpty && nothing.stderr.contains("1 file stays as hook scripts left"), "\(nothing.text)")

        let untouched = try #require(FileSystem.linkStatus("\(world.www)/kept")).st_ino
        try world.write("EDITED", to: "\(world.www)/index.html")
        try FileManager.default.removeItem(atPath: "\(world.www)/conf/deep")
        unlink("\(world.www)/run")
        try world.write("outside", to: "\(world.path)/outside")
        symlink("\(world.path)/outside", "\(world.www)/run")
        try world.write("mine", to: "\(world.www)/mine")
        #expect(await world.shipit("verify").status == 1)
        let repaired = try world.must(await world.shipit("repair", "staging"))
        #expect(repaired.stdout.split(separator: "\n").count == 3, "\(repaired.text)")
        #expect(world.site() == "one" && world.site("conf/deep/a") == "a" && world.site("conf/app.conf") == "8080")
        #expect(FileSystem.linkStatus("\(world.www)/run").map { $0.st_mode } == S_IFREG | 0o750)
        #expect(world.read("\(world.path)/outside") == "outside" && world.site("mine") == "mine")
        #expect(FileSystem.linkStatus("\(world.www)/kept")?.st_ino == untouched)
        #expect(world.names(in: world.www) == ["conf", "index.html", "kept", "mine", "run"], "nothing is left aside")
        try world.must(await world.shipit("verify"))
        #expect(await world.shipit("show", "1").stdout.contains("3 put back, 0 removed"))

        try world.write("8081", to: "\(world.www)/conf/app.conf")
        #expect(await world.shipit("repair", "staging").status == 1)
        try world.must(await world.shipit("repair", "staging", "--all"))
        #expect(world.site("conf/app.conf") == "@PORT@")
        try world.must(await world.ship(world.revision("two")).result)
        #expect(world.site() == "two" && world.site("mine") == "mine")
        try await world.settled()
    }
}
