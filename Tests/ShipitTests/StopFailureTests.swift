import Foundation
import Testing

@testable import Shipit

@Suite struct StopFailureTests {
    private func stuck(_ extra: String = "") async throws -> World {
        let world = try await World(
            environments: """
                environments:
                  - name: staging
                    targets: [@TARGETS@/staging]
                \(extra)
                """)
        try world.must(await world.ship(world.hooks(["ApplicationStop": "exit 9"])).result)
        try await world.settled()
        return world
    }

    @Test func `an old ApplicationStop that fails is no dead end, since the error prints the way out`() async throws {
        let world = try await stuck()
        let (revision, result) = try await world.ship(world.hooks().merging(["index.html": "two\n"]) { $1 })
        let command = "promote \(revision.prefix(7)) --to staging --app blog --ignore-application-stop-failures"
        #expect(result.text.contains("ApplicationStop: hooks/ApplicationStop ended with exit status 9"))
        #expect(result.text.contains("shipit \(command) goes on without it"), "\(result.text)")
        #expect(world.current() == "one\n")
        let words = command.split(separator: " ").map(String.init)
        let forced = await world.run(["\(World.programs)/shipit"] + words, in: world.path)
        #expect(forced.status == 0, "\(forced.text)")
        #expect(world.current() == "two\n")
        #expect(world.log(3).contains("going on, as asked"))
        try await world.settled()
    }

    @Test func `a rollback goes on without it, too`() async throws {
        let world = try await World()
        try world.must(await world.ship(world.hooks()).result)
        let broken = world.hooks(["ApplicationStop": "exit 9"]).merging(["index.html": "two\n"]) { $1 }
        try world.must(await world.ship(broken).result)
        let refused = await world.shipit("rollback", "staging")
        #expect(refused.status != 0 && refused.text.contains("rollback staging --app blog --to"), "\(refused.text)")
        #expect(world.current() == "two\n")
        try world.must(await world.shipit("rollback", "staging", "--ignore-application-stop-failures"))
        #expect(world.current() == "one\n")
        try await world.settled()
    }

    @Test func `the policy may say so once and for all`() async throws {
        let world = try await stuck("    ignore_application_stop_failures: yes\n")
        try world.must(await world.ship(world.hooks().merging(["index.html": "two\n"]) { $1 }).result)
        #expect(world.current() == "two\n")
        try await world.settled()
    }
}
