import Foundation
import Glibc
import Testing

@testable import Shipit

/// What scripts and owners of a place do to it in the middle of a deployment.
@Suite struct InPlaceTroubleTests {
    /// A world that serves `one` in place, with a file that its successor does not have.
    private func serving(_ more: String = "") async throws -> World {
        let world = try await World()
        try world.installInPlace(more)
        try world.must(await world.ship(world.revision(["index.html": "one", "only.txt": "1"])).result)
        try await world.settled()
        #expect(world.site() == "one")
        return world
    }

    private func second(_ world: World, _ scripts: [String: String]) -> [String: String] {
        world.revision("two", scripts).merging(["site/only.txt": ""]) { $1 }
    }

    private func expectOne(_ world: World, last: String = "ApplicationStart") async throws {
        #expect(world.names(in: world.www) == ["index.html", "only.txt"])
        #expect(world.site() == "one" && world.site("only.txt") == "1")
        #expect(world.trace.hasSuffix("\(last) one\n"), "\(world.trace)")
        let fsck = await world.shipit("fsck")
        #expect(fsck.status == 0, "\(fsck.text)")
        try world.must(await world.ship(second(world, [:])).result)
        #expect(world.site() == "two" && world.names(in: world.www) == ["index.html"])
        try await world.settled()
    }

    @Test func `what BeforeInstall cleared away is installed again when the deployment fails`() async throws {
        let world = try await serving()
        let scripts = ["BeforeInstall": "rm -rf \(world.www)", "AfterInstall": "exit 1"]
        #expect(try await world.ship(second(world, scripts)).result.text.contains("AfterInstall"))
        #expect(world.trace.hasSuffix("AfterInstall one\nApplicationStart one\n"), "\(world.trace)")
        try await expectOne(world)
    }

    @Test func `what AfterInstall cleared away, asides and all, is installed again`() async throws {
        let world = try await serving()
        try world.write("mine", to: "\(world.www)/mine.txt")
        let scripts = ["AfterInstall": "rm -rf \(world.www); mkdir \(world.www); exit 1"]
        _ = try await world.ship(second(world, scripts))
        try await expectOne(world)
    }

    @Test func `a folder that a script made where a file was keeps nothing from coming back`() async throws {
        let world = try await serving()
        let scripts = [
            "AfterInstall":
                "rm \(world.www)/index.html; mkdir -p \(world.www)/index.html/deep; echo late >\(world.www)/only.txt; exit 1"
        ]
        _ = try await world.ship(second(world, scripts))
        try await expectOne(world)
    }

    @Test func `what policy leaves as it is has its own scripts and can be rolled back`() async throws {
        let world = try await serving("on_failure: stop")
        let left = try await world.ship(second(world, ["AfterInstall": "exit 1"])).result
        #expect(left.text.contains("AfterInstall"))
        #expect(world.site() == "two" && world.names(in: world.www) == ["index.html"])
        #expect(world.read("\(world.store)/current/site/index.html") == "two")
        try world.must(await world.shipit("rollback", "staging"))
        #expect(world.trace.contains("ApplicationStop two\n"))
        try await expectOne(world, last: "ValidateService")
    }

    @Test(.enabled(if: geteuid() == 0, "only root writes where another may not"))
    func `a link in the place of the folder is never followed`() async throws {
        let world = try await World()
        let place = "\(world.path)/ann/www", victim = "\(world.path)/victim"
        for folder in ["\(world.path)/ann", place] {
            mkdir(folder, 0o755)
            chown(folder, 65534, 65534)
        }
        try world.write("precious", to: "\(victim)/shadow", mode: 0o600)
        chmod(victim, 0o700)
        try world.installInPlace(target: place)
        let appspec = """
            version: 0.0
            os: linux
            files: [{source: index.html, destination: /}]
            hooks: {BeforeInstall: [{location: swap.sh, timeout: 60}]}
            """
        let swap = "#!/bin/sh\nrm -rf \(place) && ln -s \(victim) \(place)\n"
        let refused = try await world.ship(["appspec.yml": appspec, "swap.sh": swap]).result
        #expect(refused.text.contains("could not open \(place)"), "\(refused.text)")
        #expect(world.names(in: victim) == ["shadow"])
        try await world.settled()
    }

    @Test(.enabled(if: geteuid() == 0, "only root gives files away"))
    func `new folders belong to the owner of the place, as the files do`() async throws {
        let world = try await World()
        let place = "\(world.path)/ann"
        mkdir(place, 0o755)
        chown(place, 65534, 65534)
        try world.installInPlace(target: place)
        let appspec = """
            version: 0.0
            os: linux
            files: [{source: index.html, destination: /deep/er}]
            hooks: {AfterInstall: [{location: touch.sh, timeout: 60}]}
            """
        try world.must(
            await world.ship(["appspec.yml": appspec, "touch.sh": "#!/bin/sh\numask >\(place)/deep/er/mask\n"]).result)
        #expect(world.read("\(place)/deep/er/mask") == "0022\n")
        try await world.settled()
    }
}
